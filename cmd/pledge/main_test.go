package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gopledge/pledge"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pledge": main})
}

// TestScripts runs the scripts of testdata/script. The command "status N
// PROGRAM..." checks an exit status.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: status N program [argument]...")
				}
				if err := ts.Exec(args[1], args[2:]...); err != nil && args[0] == "0" {
					ts.Fatalf("%v", err)
				} else if want := "exit status " + args[0]; args[0] != "0" && (err == nil || err.Error() != want) {
					ts.Fatalf("%v, want %s", err, want)
				}
			},
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("LC_ALL", "C")
			return nil
		},
	})
}

// commandsOf are a command and all below it that can be seen.
func commandsOf(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		out = append(out, commandsOf(c)...)
	}
	return out
}

// TestManual checks that the manual page has all commands and flags, and that
// its markup is right.
func TestManual(t *testing.T) {
	const page = "../../docs/pledge.1"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	root := rootCommand()
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	root.InitDefaultVersionFlag()
	n := 0
	for _, cmd := range commandsOf(root) {
		if cmd != root && !strings.Contains(string(text), ".Cm "+cmd.Name()) && !strings.Contains(string(text), "| "+cmd.Name()) {
			t.Errorf("%s has no command %q", page, cmd.Name())
		}
		cmd.InitDefaultHelpFlag()
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			n++
			if !strings.Contains(string(text), "-"+f.Name+" ") && !strings.Contains(string(text), "-"+f.Name+"\n") {
				t.Errorf("%s has no flag --%s of %s", page, f.Name, cmd.CommandPath())
			}
			if f.Shorthand != "" && !strings.Contains(string(text), "Fl "+f.Shorthand+" ") {
				t.Errorf("%s has no flag -%s of %s", page, f.Shorthand, cmd.CommandPath())
			}
		})
	}
	if n < 10 {
		t.Errorf("only %d flags were found", n)
	}
	lint, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("mandoc, which checks the markup, is not installed")
	}
	if out, err := exec.Command(lint, "-Tlint", "-Wwarning", page).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestHelp checks that all commands teach by example.
func TestHelp(t *testing.T) {
	for _, cmd := range commandsOf(rootCommand()) {
		if !cmd.Hidden && (cmd.Example == "" || cmd.Long == "" || cmd.Short == "") {
			t.Errorf("%s: short, long or examples are missing", cmd.CommandPath())
		}
		if strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q ends with a stop", cmd.CommandPath(), cmd.Short)
		}
	}
}

// TestCompletion asks as the shells' scripts do.
func TestCompletion(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want []string // words that are offered, of all
		not  []string
	}{
		{"commands", []string{""}, []string{"check", "explain", "trace"}, nil},
		{"a first promise or call", []string{"explain", "op"}, []string{"openat"}, []string{"stdio", "read"}},
		{"a promise", []string{"explain", "rp"}, []string{"rpath"}, nil},
		{"a further promise", []string{"explain", "stdio "}, []string{"stdio rpath", "stdio vmm"}, []string{"stdio stdio", "openat", "stdio openat"}},
		{"half of one", []string{"explain", "stdio wp"}, []string{"stdio wpath"}, []string{"stdio rpath"}},
		{"after a mistake", []string{"explain", "stdoi "}, nil, []string{"stdoi rpath"}},
		{"a flag's promises", []string{"trace", "-p", "stdio ro"}, []string{"stdio route"}, nil},
	} {
		var out bytes.Buffer
		root := rootCommand()
		root.SetOut(&out)
		root.SetErr(io.Discard)
		if status := execute(root, append([]string{"__complete"}, c.args...), io.Discard); status != 0 {
			t.Errorf("%s: status %d", c.name, status)
		}
		var words []string
		for line := range strings.Lines(out.String()) {
			word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			words = append(words, word)
		}
		for _, w := range c.want {
			if !slices.Contains(words, w) {
				t.Errorf("%s: %q is not offered: %q", c.name, w, words)
			}
		}
		for _, w := range c.not {
			if slices.Contains(words, w) {
				t.Errorf("%s: %q is offered", c.name, w)
			}
		}
	}
}

// TestMeanings checks that each promise has a meaning, which is what a shell
// shows beside it.
func TestMeanings(t *testing.T) {
	for p := range pledge.Set(1<<64 - 1).All() {
		if meanings[p] == "" {
			t.Errorf("%v has no meaning", p)
		}
	}
}
