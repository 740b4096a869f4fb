package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/gopledge/pledge"
)

// meanings are what promises stand for, in a few words. The table says it in
// full.
var meanings = map[pledge.Promise]string{
	pledge.Stdio:         "open descriptors, memory, threads, waiting",
	pledge.Rpath:         "reading files and directories",
	pledge.Wpath:         "writing files that exist",
	pledge.Cpath:         "creating and removing names",
	pledge.Dpath:         "named pipes and device nodes",
	pledge.Tmppath:       "files in /tmp",
	pledge.Inet:          "IPv4 and IPv6 sockets",
	pledge.Mcast:         "multicast",
	pledge.Fattr:         "permissions, times and owners of own files",
	pledge.Chown:         "any owner of files",
	pledge.Flock:         "file locks",
	pledge.Unix:          "local sockets",
	pledge.DNS:           "looking up names",
	pledge.Getpw:         "users and groups",
	pledge.Sendfd:        "sending descriptors",
	pledge.Recvfd:        "receiving descriptors",
	pledge.Tape:          "tape drives",
	pledge.TTY:           "terminals",
	pledge.Proc:          "processes and signals to them",
	pledge.Exec:          "executing programs",
	pledge.ProtExec:      "executable memory",
	pledge.Settime:       "setting the clock",
	pledge.PS:            "looking at processes",
	pledge.Vminfo:        "looking at the machine",
	pledge.ID:            "changing user and group",
	pledge.PF:            "the packet filter",
	pledge.Route:         "reading interfaces and routes",
	pledge.Wroute:        "changing interfaces and routes",
	pledge.Audio:         "sound devices",
	pledge.Video:         "video devices",
	pledge.BPF:           "statistics of packet sockets",
	pledge.UnveilPromise: "more unveil",
	pledge.Error:         "violations fail with ENOSYS",
	pledge.Disklabel:     "block devices",
	pledge.DRM:           "graphics devices",
	pledge.VMM:           "virtual machines",
}

func promiseNames() []string {
	var out []string
	for p := range pledge.Set(1<<64 - 1).All() {
		out = append(out, p.String())
	}
	return out
}

// completePromises completes the last word of a promise string.
func completePromises(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return promiseCompletions(typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// promiseCompletions are the promises that can follow the finished words, each
// with these in front of it.
func promiseCompletions(typed string) []string {
	done := typed[:strings.LastIndexByte(typed, ' ')+1]
	held, err := pledge.Parse(done)
	if err != nil {
		return nil
	}
	var out []string
	for p := range pledge.Set(1<<64 - 1).All() {
		if !held.Has(p) && strings.HasPrefix(p.String(), typed[len(done):]) {
			out = append(out, done+p.String()+"\t"+meanings[p])
		}
	}
	return out
}
