//go:build linux

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopledge/pledge"
)

// TestMain makes the test binary the program itself when the tests start it
// anew, so that they need no go command.
func TestMain(m *testing.M) {
	if os.Getenv("FETCH_TEST_MAIN") == "1" {
		if promises := os.Getenv("FETCH_TEST_INTRUDER"); promises != "" {
			go intrude(promises)
		}
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// intrude does what these promises do not allow, once they are in force.
// Whoever survives that exits with status 3.
func intrude(promises string) {
	violation := func() { os.WriteFile(os.Getenv("FETCH_TEST_INTRUDER_FILE"), nil, 0o666) }
	if promises == "stdio" {
		violation = func() { os.Open("/etc/hosts") }
	}
	for range 10_000 {
		if pledge.Status().Promises.String() == promises {
			violation()
			break
		}
		time.Sleep(time.Millisecond)
	}
	os.Exit(3)
}

// run runs fetch and returns what it printed and how it ended.
func run(t *testing.T, env []string, args ...string) (stdout, stderr string, status syscall.WaitStatus) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(append(os.Environ(), "FETCH_TEST_MAIN=1", "NO_PROXY=*"), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.Sys().(syscall.WaitStatus)
}

var long = strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB

// serve starts a server on the loopback interface whose certificate is good
// for localhost and 127.0.0.1, and returns its port and the certificate's file.
func serve(t *testing.T, http2 bool) (port, cacert string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cacert = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(cacert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o666); err != nil {
		t.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello by "+r.Proto+"\n") })
	mux.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, long) })
	mux.HandleFunc("/stalled", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://localhost:"+port+"/hello", http.StatusFound)
	})
	srv := httptest.NewUnstartedServer(mux)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	srv.EnableHTTP2 = http2
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, port, err = net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, cacert
}

func TestFetch(t *testing.T) {
	for _, test := range []struct {
		name  string
		http2 bool
		hello string
	}{
		{"HTTP1", false, "hello by HTTP/1.1\n"},
		{"HTTP2", true, "hello by HTTP/2.0\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			port, cacert := serve(t, test.http2)
			for _, get := range []struct{ url, want string }{
				{"https://127.0.0.1:" + port + "/hello", test.hello},
				{"https://localhost:" + port + "/hello", test.hello},
				{"https://localhost:" + port + "/long", long},
				{"https://127.0.0.1:" + port + "/elsewhere", test.hello},
			} {
				stdout, stderr, status := run(t, nil, "-cacert", cacert, get.url)
				if stdout != get.want || stderr != "" || status != 0 {
					t.Errorf("fetch %s: %.100q and %q, status %#x; want %.100q", get.url, stdout, stderr, status, get.want)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	port, cacert := serve(t, true)
	url := "https://localhost:" + port
	noCert := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(noCert, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"usage", nil, 2, "usage: fetch "},
		{"untrusted", []string{url + "/hello"}, 1, "certificate signed by unknown authority"},
		{"wrong name", []string{"-cacert", cacert, "https://127.0.0.2:" + port + "/hello"}, 1, ""},
		{"not found", []string{"-cacert", cacert, url + "/nosuch"}, 1, "/nosuch: 404 Not Found"},
		{"refused", []string{"https://127.0.0.1:1/"}, 1, "connect: connection refused"},
		{"missing file", []string{"-cacert", noCert + ".not", url}, 1, "no such file"},
		{"empty file", []string{"-cacert", noCert, url}, 1, "no certificates"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, status := run(t, nil, test.args...)
			if stdout != "" || !strings.Contains(stderr, test.stderr) || !status.Exited() || status.ExitStatus() != test.status {
				t.Errorf("printed %q and %q, status %#x; want %q, exit status %d", stdout, stderr, status, test.stderr, test.status)
			}
			if test.status == 1 && !strings.HasPrefix(stderr, "fetch: ") {
				t.Errorf("message %q does not begin with the program's name", stderr)
			}
		})
	}
}

func TestViolation(t *testing.T) {
	port, cacert := serve(t, true)
	file := filepath.Join(t.TempDir(), "intruder")
	// The server lets fetch wait for the body, so that there is time for it.
	for _, promises := range []string{"stdio rpath inet dns", "stdio"} {
		t.Run(promises, func(t *testing.T) {
			_, stderr, status := run(t, []string{"FETCH_TEST_INTRUDER=" + promises, "FETCH_TEST_INTRUDER_FILE=" + file},
				"-cacert", cacert, "https://localhost:"+port+"/stalled")
			if status.Signal() != syscall.SIGSYS {
				t.Errorf("status %#x, %q; want SIGSYS", status, stderr)
			}
		})
	}
	if _, err := os.Lstat(file); err == nil {
		t.Error("the intruder made its file")
	}
}
