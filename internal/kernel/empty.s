// Functions without a body, which fork_linux.go has, need an assembly file.
