// Library is a Go library in a C program, c/main.c.
package main

import "C"

import (
	"fmt"
	"os"

	"github.com/gopledge/pledge"
)

//export Pledge
func Pledge(promises *C.char) {
	if err := pledge.Pledge(C.GoString(promises)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {}
