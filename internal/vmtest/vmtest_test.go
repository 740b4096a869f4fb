//go:build linux

package vmtest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestConsole(t *testing.T) {
	for _, test := range []struct {
		name, in string
		outputs  []string
		exits    []Exit
		rest     string
		done     bool
		err      string // part of it
	}{
		{
			name:    "two commands",
			in:      "boot\nM up 6.1.0 2\nM start 0\nhello\nM exit 0 0 exit status 0 after 1s\nM start 1\nM exit 1 139 killed\nM done\n",
			outputs: []string{"hello\n", ""},
			exits:   []Exit{{0, "exit status 0 after 1s"}, {139, "killed"}},
			rest:    "boot\n",
			done:    true,
		},
		{
			name:    "the mark after output without an end",
			in:      "firmwareM up 6.1.0 2\nM start 0\nhelloM exit 0 0 ok\nM done\n",
			outputs: []string{"hello"},
			exits:   []Exit{{0, "ok"}},
			rest:    "firmware",
			done:    true,
		},
		{
			name:    "carriage returns of a firmware's terminal, none of a test's",
			in:      "boot\r\nM up 6.1.0 0\r\nM start 0\r\na\r\nM exit 0 1 failed\r\nM done\r\n",
			outputs: []string{"a\r\n"},
			exits:   []Exit{{1, "failed"}},
			rest:    "boot\r\n",
			done:    true,
		},
		{
			name:    "what looks like a mark",
			in:      "M up 6.1.0 0\nM start 0\nMdone\nVM-done\nM exit 0 0 ok\n",
			outputs: []string{"Mdone\nVM-done\n"},
			exits:   []Exit{{0, "ok"}},
		},
		{
			name:    "a machine that dies",
			in:      "M up 6.1.0 0\nM start 0\nhello\nKernel pa",
			outputs: []string{"hello\n"},
		},
		{name: "a complaint", in: "M error no root\nM done\n", done: true, err: "no root"},
		{name: "an exit of nothing", in: "M exit 1 0 ok\n", err: "out of order"},
		{name: "an exit without a status", in: "M start 0\nM exit 0 ok\n", outputs: []string{""}, err: "out of order"},
	} {
		// However the pieces fall.
		for _, size := range []int{1, 7, len(test.in)} {
			t.Run(fmt.Sprintf("%s, by %d", test.name, size), func(t *testing.T) {
				var outputs []*bytes.Buffer
				c := newConsole("M", func(int) io.Writer {
					outputs = append(outputs, &bytes.Buffer{})
					return outputs[len(outputs)-1]
				})
				var err error
				for piece := range slices.Chunk([]byte(test.in), size) {
					if _, err = c.Write(piece); err != nil {
						break
					}
				}
				if err == nil {
					err = c.err
				}
				if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				var got []string
				for _, o := range outputs {
					got = append(got, o.String())
				}
				if !slices.Equal(got, test.outputs) || !slices.Equal(c.run.Exits, test.exits) || string(c.rest) != test.rest || c.done != test.done {
					t.Errorf("outputs %q, exits %v, rest %q, done %v; want %q, %v, %q, %v", got, c.run.Exits, c.rest, c.done, test.outputs, test.exits, test.rest, test.done)
				}
			})
		}
	}
}

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"sub/tool": 0o755 | os.ModeSetuid, "sub/skipped": 0o644, "text": 0o640} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("text", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	a := NewArchive(&b)
	a.Console()
	a.File("/etc/deep/file", 0o600, []byte("12345"))
	a.File("etc/deep/file", 0o600, []byte("not this"))
	if err := a.Tree("/tree", dir, func(name string) bool { return name == "sub/skipped" }); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for data := b.Bytes(); ; {
		if b.Len()%4 != 0 || len(data) < 110 {
			t.Fatalf("%d bytes, and no trailer after %q", b.Len(), got)
		}
		var magic, ino, mode, uid, gid, nlink, mtime, size, major, minor, rmajor, rminor, namesize, check int
		if _, err := fmt.Sscanf(string(data[:110]), "%06x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			&magic, &ino, &mode, &uid, &gid, &nlink, &mtime, &size, &major, &minor, &rmajor, &rminor, &namesize, &check); err != nil || magic != 0x070701 {
			t.Fatalf("header %q: %v", data[:110], err)
		}
		name := string(data[110 : 110+namesize-1])
		content := (110 + namesize + 3) &^ 3
		if name == "TRAILER!!!" {
			break
		}
		got = append(got, fmt.Sprintf("%s %o %d:%d %d:%d %q", name, mode, uid, gid, rmajor, rminor, data[content:content+size]))
		data = data[(content+size+3)&^3:]
	}
	want := []string{
		`dev 40755 0:0 0:0 ""`,
		`dev/console 20600 0:0 5:1 ""`,
		`etc 40755 0:0 0:0 ""`,
		`etc/deep 40755 0:0 0:0 ""`,
		`etc/deep/file 100600 0:0 0:0 "12345"`,
		`tree 40755 0:0 0:0 ""`,
		`tree/link 120777 0:0 0:0 "text"`,
		`tree/sub 40755 0:0 0:0 ""`,
		`tree/sub/tool 104755 0:0 0:0 "sub/tool"`,
		`tree/text 100640 0:0 0:0 "text"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReadOutput(t *testing.T) {
	const mark = "\x16"
	passed := mark + "=== RUN   TestA\n" + mark + "--- PASS: TestA (0.00s)\n"
	skipped := mark + "=== RUN   TestB\n    b_test.go:7: this kernel\n        has none\n" + mark + "--- SKIP: TestB (0.00s)\n"
	failed := mark + "=== RUN   TestC\n" + mark + "=== RUN   TestC/sub\n    c_test.go:8: broken\n" +
		mark + "--- FAIL: TestC (0.00s)\n" + mark + "    --- FAIL: TestC/sub (0.00s)\n"
	for _, test := range []struct {
		name, output string
		exit         Exit
		passed       int
		skips        []Verdict
		failures     []Verdict
	}{
		{name: "good", output: passed + skipped + mark + "PASS\n", passed: 1, skips: []Verdict{{"p", "TestB", "this kernel\n        has none"}}},
		{name: "bad", output: passed + failed + mark + "FAIL\n", exit: Exit{1, "exit status 1"}, passed: 1, failures: []Verdict{{"p", "TestC/sub", "broken"}}},
		{
			name: "killed", output: mark + "=== RUN   TestA\npartial", exit: Exit{137, "killed by SIGKILL"},
			failures: []Verdict{{"p", "", "killed by SIGKILL\n" + mark + "=== RUN   TestA\npartial"}},
		},
		{name: "silent", exit: Exit{0, "exit status 0"}, failures: []Verdict{{"p", "", "exit status 0\n"}}},
		{
			name: "a failure of no test", output: passed + mark + "PASS\n", exit: Exit{1, "exit status 1"}, passed: 1,
			failures: []Verdict{{"p", "", "exit status 1\n" + passed + mark + "PASS\n"}},
		},
		{name: "no tests", output: "testing: warning: no tests to run\nPASS\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ReadOutput("p", []byte(test.output), test.exit)
			if err != nil {
				t.Fatal(err)
			}
			// What test2json makes of a test that did not end is its own affair.
			got.Failures = slices.DeleteFunc(got.Failures, func(v Verdict) bool { return test.name == "killed" && v.Test != "" })
			if want := (&Tally{test.passed, test.skips, test.failures}); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestKernelPackages(t *testing.T) {
	names := []string{
		"linux-image-6.1.0-9-cloud-arm64", "linux-image-6.1.0-10-cloud-arm64", "linux-image-6.1.0-10-cloud-arm64-dbg", "linux-image-6.1.0-11-arm64",
		"linux-image-6.12.1+deb12-cloud-arm64", "linux-image-6.18.1+deb13-cloud-arm64", "linux-headers-6.1.0-12-cloud-arm64", "linux-image-cloud-arm64",
		"linux-image-7.3.4+deb13-cloud-arm64", "linux-binary-7.3.4+deb13-cloud-arm64", "linux-binary-7.3.10+deb13-cloud-arm64",
	}
	for _, test := range []struct {
		version, flavour string
		want             []string
	}{
		{"6.1", "cloud", []string{"linux-image-6.1.0-10-cloud-arm64", "linux-image-6.1.0-9-cloud-arm64"}},
		{"6.1", "", []string{"linux-image-6.1.0-11-arm64"}},
		{"6.12", "cloud", []string{"linux-image-6.12.1+deb12-cloud-arm64"}},
		{"7.3", "cloud", []string{"linux-binary-7.3.10+deb13-cloud-arm64", "linux-binary-7.3.4+deb13-cloud-arm64", "linux-image-7.3.4+deb13-cloud-arm64"}},
		{"7", "cloud", []string{"linux-binary-7.3.10+deb13-cloud-arm64", "linux-binary-7.3.4+deb13-cloud-arm64", "linux-image-7.3.4+deb13-cloud-arm64"}},
		{"5.10", "cloud", nil},
	} {
		if got := kernelPackages(names, test.version, test.flavour, "arm64"); !slices.Equal(got, test.want) {
			t.Errorf("%s %s: got %q, want %q", test.version, test.flavour, got, test.want)
		}
	}
}

func TestArchives(t *testing.T) {
	for _, test := range []struct{ name, targets, archive, security string }{
		{"all known", "a:/x/|Debian|Debian\na:/y/|Debian|Debian-Security\n", "a:/x/", "a:/y/"},
		{"before the first update", "a:/mirror/debian/|$(ORIGIN)|$(LABEL)\na:/mirror/debian-security/|$(ORIGIN)|$(LABEL)\n", "a:/mirror/debian/", "a:/mirror/debian-security/"},
		{"others beside it", "a:/other/debian/|Other|Debian\na:/x/|Debian|Debian\n", "a:/x/", ""},
		{"none", "a:/other/|Other|Other\n", "", ""},
	} {
		archive, security, err := readTargets(test.targets)
		if archive != test.archive || security != test.security || (err == nil) != (test.archive != "") {
			t.Errorf("%s: got %q, %q, %v; want %q, %q", test.name, archive, security, err, test.archive, test.security)
		}
	}
}
