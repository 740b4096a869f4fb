//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gopledge/pledge"
)

// TestMain makes the test binary the program itself when the tests start it
// anew, so that they need no go command.
func TestMain(m *testing.M) {
	if os.Getenv("HTTPD_TEST_MAIN") == "1" {
		if name := os.Getenv("HTTPD_TEST_INTRUDER"); name != "" {
			go intrude(name)
		}
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// intrude does what the server never promised, once it serves. Whoever survives
// that exits with status 3.
func intrude(name string) {
	for range 10_000 {
		if pledge.Status().Promises.String() == "stdio rpath inet" {
			os.WriteFile(name, nil, 0o666)
			break
		}
		time.Sleep(time.Millisecond)
	}
	os.Exit(3)
}

// A server is httpd as a child process.
type server struct {
	url    string
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "HTTPD_TEST_MAIN=1")
	return cmd
}

// start starts httpd with a folder of its own and waits until it listens.
func start(t *testing.T, addr string) *server {
	t.Helper()
	s := &server{cmd: command(t, "-addr", addr, folder(t))}
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.cmd.Process.Kill()
			s.cmd.Wait()
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if _, err2 := fmt.Sscanf(line, "listening on %s", &s.url); err != nil || err2 != nil {
		err = s.cmd.Wait()
		t.Fatalf("httpd printed %q and %q and ended with %v", line, s.stderr.String(), err)
	}
	return s
}

// stop ends the server by the signal, and asserts that it goes in peace.
func (s *server) stop(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	s.wait(t)
}

func (s *server) wait(t *testing.T) {
	t.Helper()
	if err := s.cmd.Wait(); err != nil || s.stderr.Len() > 0 {
		t.Errorf("httpd ended with %v and printed %q; want success and nothing", err, s.stderr.String())
	}
}

var long = strings.Repeat("0123456789abcdef", 8<<10) // 128 KiB

// bigSize is more than what fits between a server and a client that does not
// read.
const bigSize = 64 << 20

// folder makes a folder to serve, with a file beside it that is not to be
// served.
func folder(t *testing.T) string {
	t.Helper()
	parent := t.TempDir()
	dir := filepath.Join(parent, "served")
	for _, err := range []error{
		os.WriteFile(filepath.Join(parent, "secret"), []byte("secret"), 0o666),
		os.MkdirAll(filepath.Join(dir, "sub"), 0o777),
		os.WriteFile(filepath.Join(dir, "hello.txt"), []byte("hello\n"), 0o666),
		os.WriteFile(filepath.Join(dir, "long"), []byte(long), 0o666),
		os.WriteFile(filepath.Join(dir, "sub", "index.html"), []byte("<p>index</p>\n"), 0o666),
		os.WriteFile(filepath.Join(dir, "big"), nil, 0o666),
		os.Truncate(filepath.Join(dir, "big"), bigSize),
		os.Symlink("hello.txt", filepath.Join(dir, "inside")),
		os.Symlink("../secret", filepath.Join(dir, "outside")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// get asks for a path and returns the response, its body read.
func (s *server) get(path string, header ...string) (*http.Response, string, error) {
	req, err := http.NewRequest("GET", s.url+path, nil)
	if err != nil {
		return nil, "", err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestGet(t *testing.T) {
	s := start(t, "127.0.0.1:0")
	for _, test := range []struct {
		path   string
		header []string
		status int
		ctype  string
		body   string // the whole body, or part of it where there is an ellipsis
	}{
		{path: "/hello.txt", status: 200, ctype: "text/plain; charset=utf-8", body: "hello\n"},
		{path: "/inside", status: 200, body: "hello\n"},
		{path: "/long", status: 200, body: long},
		{path: "/", status: 200, ctype: "text/html; charset=utf-8", body: `<a href="hello.txt">hello.txt</a>...`},
		{path: "/sub/", status: 200, ctype: "text/html; charset=utf-8", body: "<p>index</p>\n"},
		{path: "/nosuchfile", status: 404, body: "404 page not found\n"},
		{path: "/long", header: []string{"Range", "bytes=16-31"}, status: 206, body: "0123456789abcdef"},
		{path: "/long", header: []string{"Range", "bytes=-3"}, status: 206, body: "def"},
		{path: "/hello.txt", header: []string{"Range", "bytes=0-1,4-5"}, status: 206, body: "Content-Range: bytes 4-5/6..."},
		{path: "/hello.txt", header: []string{"Range", "bytes=99-"}, status: 416, body: "invalid range...overlap..."},
		{path: "/hello.txt", header: []string{"If-Modified-Since", "Fri, 31 Dec 9999 23:59:59 GMT"}, status: 304},
	} {
		resp, body, err := s.get(test.path, test.header...)
		if err != nil {
			t.Fatal(err)
		}
		ok := body == test.body
		if parts := strings.Split(test.body, "..."); len(parts) > 1 {
			ok = true
			for _, part := range parts {
				ok = ok && strings.Contains(body, part)
			}
		}
		if resp.StatusCode != test.status || !ok {
			t.Errorf("%s %q: %d, %.200q; want %d, %.200q", test.path, test.header, resp.StatusCode, body, test.status, test.body)
		}
		if got := resp.Header.Get("Content-Type"); test.ctype != "" && got != test.ctype {
			t.Errorf("%s: type %q, want %q", test.path, got, test.ctype)
		}
	}
	s.stop(t, os.Interrupt)
}

// A client sends these paths as they stand, which http.Client does not.
func TestTraversal(t *testing.T) {
	s := start(t, "127.0.0.1:0")
	for _, path := range []string{"/../secret", "/sub/../../secret", "/%2e%2e/secret", "/..%2fsecret", "//../secret", "/outside"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
		answer, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 ")) || bytes.HasPrefix(answer, []byte("HTTP/1.1 2")) || bytes.Contains(answer, []byte("\r\nsecret")) {
			t.Errorf("%s: %v, %q; want a refusal", path, err, answer)
		}
	}
	s.stop(t, syscall.SIGTERM)
}

func TestConcurrent(t *testing.T) {
	s := start(t, "127.0.0.1:0")
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			switch resp, body, err := s.get("/long"); {
			case err != nil:
				t.Error(err)
			case resp.StatusCode != 200 || body != long:
				t.Errorf("%s, %d bytes; want 200, %d bytes", resp.Status, len(body), len(long))
			}
		})
	}
	wg.Wait()
	// The client may have connections that it never used; the server gives
	// those five seconds.
	http.DefaultClient.CloseIdleConnections()
	s.stop(t, syscall.SIGTERM)
}

func TestAddresses(t *testing.T) {
	addrs := []string{"localhost:0", ":0", "0.0.0.0:0"}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		l.Close()
		addrs = append(addrs, "[::1]:0")
	}
	for _, addr := range addrs {
		s := start(t, addr)
		if _, body, err := s.get("/hello.txt"); err != nil || body != "hello\n" {
			t.Errorf("-addr %s: %q, %v", addr, body, err)
		}
		s.stop(t, syscall.SIGTERM)
	}
}

// A signal lets a response that has begun come to its end.
func TestGracefulShutdown(t *testing.T) {
	s := start(t, "127.0.0.1:0")
	resp, err := http.Get(s.url + "/big")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// From here on nobody new is let in.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("httpd still listens after SIGTERM")
		}
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != bigSize || err != nil {
		t.Errorf("got %d bytes, %v; want %d", n, err, bigSize)
	}
	http.DefaultClient.CloseIdleConnections()
	s.wait(t)
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		args   []string
		status int
		stderr string
	}{
		{nil, 2, "usage: httpd "},
		{[]string{filepath.Join(t.TempDir(), "nosuchdir")}, 1, "httpd: open "},
		{[]string{"-addr", "192.0.2.1:0", t.TempDir()}, 1, "httpd: listen tcp 192.0.2.1:0: "},
	} {
		out, err := command(t, test.args...).CombinedOutput()
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != test.status || !strings.HasPrefix(string(out), test.stderr) {
			t.Errorf("httpd %q: %v, %q; want exit status %d, %q", test.args, err, out, test.status, test.stderr)
		}
	}
}

func TestViolation(t *testing.T) {
	name := filepath.Join(t.TempDir(), "intruder")
	cmd := command(t, "-addr", "127.0.0.1:0", folder(t))
	cmd.Env = append(cmd.Env, "HTTPD_TEST_INTRUDER="+name)
	out, err := cmd.CombinedOutput()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSYS {
		t.Errorf("httpd ended with %v, %q; want SIGSYS", err, out)
	}
	if _, err := os.Lstat(name); err == nil {
		t.Error("the intruder made its file")
	}
}
