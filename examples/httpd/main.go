// Httpd serves the files of a folder over HTTP.
//
//	httpd [-addr 127.0.0.1:8080] DIR
//
// It shows how a server gives promises up between setting up and serving: what
// reads the network's requests has less than what read the command line. It
// shows os.Root beside it: "rpath" means every file, the root only those of
// DIR.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gopledge/pledge"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("httpd: ")

	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: httpd [-addr 127.0.0.1:8080] DIR") }
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `address`; port 0 is any free one")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*addr, flag.Arg(0)); err != nil {
		log.Fatal(err)
	}
}

func run(addr, dir string) error {
	// "dns" is for addresses such as localhost:http, names that are looked up.
	if err := pledge.Pledge("stdio rpath inet dns"); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}

	// No more names. The rest has to stay: each request opens a file, which is
	// "rpath", and comes by a connection to be accepted, which is "inet".
	if err := pledge.Pledge("stdio rpath inet"); err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Printf("listening on http://%s\n", l.Addr())

	srv := &http.Server{Handler: http.FileServerFS(root.FS()), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error)
	go func() {
		<-ctx.Done()
		stop() // a second signal does not wait
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done <- srv.Shutdown(ctx)
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}
