// Command pledge runs programs under promises.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "pledge", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(runCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(runStatus(err))
	}
}
