// A Go program that says hello, or tries to make the directory of its argument.
package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

func main() {
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { time.Sleep(time.Millisecond) })
	}
	wg.Wait()
	if len(os.Args) > 1 {
		os.Exit(map[bool]int{true: 3, false: 4}[os.Mkdir(os.Args[1], 0o700) == nil])
	}
	fmt.Println("hello")
}
