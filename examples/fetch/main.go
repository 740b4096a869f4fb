// Fetch prints what is at a URL.
//
//	fetch [-cacert FILE] URL
//
// It shows the three ages of a client. What can be done first is done before
// the first promise: reading the certificates. Then it connects, with as much
// as that takes. And what the server sends, it reads with next to nothing.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/gopledge/pledge"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("fetch: ")

	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: fetch [-cacert FILE] URL") }
	cacert := flag.String("cacert", "", "trust the certificates in `FILE` too")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := fetch(flag.Arg(0), *cacert); err != nil {
		log.Fatal(err)
	}
}

func fetch(url, cacert string) error {
	// The system's certificates may be hundreds of files anywhere. Package
	// x509 reads them when it first needs them, in the middle of a handshake,
	// unless they are asked for earlier, as here.
	roots, err := x509.SystemCertPool()
	if err != nil {
		return err
	}
	if cacert != "" {
		pem, err := os.ReadFile(cacert)
		if err != nil {
			return err
		}
		if !roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: no certificates", cacert)
		}
	}

	// "rpath" is for kernels before 5.13: with Landlock, and on OpenBSD, "dns"
	// means the resolver's files, /etc/hosts and its like. Without names to
	// look up, for https://192.0.2.1/, "stdio inet" is enough.
	if err := pledge.Pledge("stdio rpath inet dns"); err != nil {
		return err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots}
	// One connection at a time: none may still be under way below.
	t.DialContext = (&net.Dialer{FallbackDelay: -1}).DialContext
	client := &http.Client{Transport: t}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()

	// The connection is open: what is left is to read it and to write.
	if err := pledge.Pledge("stdio"); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}
