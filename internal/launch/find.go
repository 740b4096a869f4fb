package launch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Find returns the file of a command as a shell does: the name itself if it has
// a slash, else the first executable file of that name in PATH, where "" means
// the working directory.
func Find(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil // execve(2) will tell
	}
	err := error(&Error{Status: StatusNotFound, Msg: "no command " + printable(name) + " in PATH"})
	if name == "" {
		return "", &Error{Status: StatusNotFound, Msg: "the command's name is empty"}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if !strings.Contains(path, "/") {
			path = "./" + path
		}
		info, statErr := os.Stat(path)
		switch {
		case errors.Is(statErr, fs.ErrPermission):
			err = &Error{Status: StatusNotExecutable, Msg: "cannot execute " + printable(path), Err: statErr}
		case statErr != nil || info.IsDir():
		case info.Mode()&0o111 == 0:
			err = &Error{Status: StatusNotExecutable, Msg: "cannot execute " + printable(path), Err: fs.ErrPermission}
		default:
			return path, nil
		}
	}
	return "", err
}
