//go:build linux

package vmtest

import (
	"archive/tar"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Store keeps what was fetched. Everything comes from the Debian archive that
// this system's own apt sources name, through an apt of its own for each suite
// and architecture: nothing is installed, and no root is needed.
type Store struct {
	Dir     string
	Refresh bool      // fetch anew what is there
	Log     io.Writer // what is being fetched

	updated map[string]error // by suite and architecture
}

// OpenStore returns the store in dir or, if that is "", in the user's cache.
func OpenStore(dir string) (*Store, error) {
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("vmtest: %w", err)
		}
		dir = filepath.Join(cache, "pledge-vmtest")
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o777)
	}
	if err != nil {
		return nil, fmt.Errorf("vmtest: %w", err)
	}
	return &Store{Dir: dir, Log: io.Discard, updated: map[string]error{}}, nil
}

// A Kernel is an image in the store.
type Kernel struct {
	File    string
	Package string // Debian's, with its version
}

// Kernel fetches the newest kernel of a version, such as "6.1", from the first
// of the suites that has one. The flavour is Debian's: "cloud", which has what
// a machine of QEMU needs built in, or "" for the general one.
func (s *Store) Kernel(arch, version, flavour string, suites ...string) (*Kernel, error) {
	name := strings.TrimSuffix(fmt.Sprintf("%s-%s-%s", arch, version, flavour), "-")
	dir := filepath.Join(s.Dir, "kernels", name)
	k := &Kernel{File: filepath.Join(dir, "vmlinuz")}
	if pkg, err := os.ReadFile(filepath.Join(dir, "package")); err == nil && !s.Refresh {
		k.Package = strings.TrimSpace(string(pkg))
		return k, nil
	}
	var errs []error
	for _, suite := range suites {
		apt, err := s.apt(suite, arch)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		candidates, err := apt.kernels(version, flavour)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		// What the index has may be gone from the archive: then an older one does.
		for _, pkg := range candidates {
			image, deb, err := apt.vmlinuz(pkg)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			k.Package = deb
			err = os.MkdirAll(dir, 0o777)
			for file, data := range map[string][]byte{k.File: image, filepath.Join(dir, "package"): []byte(deb + "\n")} {
				err = errors.Join(err, replaceFile(file, data))
			}
			return k, err
		}
	}
	return nil, fmt.Errorf("vmtest: no kernel %s for %s in %s: %w", version, arch, strings.Join(suites, ", "), errors.Join(errs...))
}

// Sysroot unpacks packages into a folder of the store, for a compiler to find
// headers and libraries there, and returns it with what was unpacked, such as
// "libseccomp-dev 2.5.4-1". Dependencies are not followed.
func (s *Store) Sysroot(arch, suite string, packages ...string) (dir string, unpacked []string, err error) {
	dir = filepath.Join(s.Dir, "sysroots", suite+"-"+arch, strings.Join(packages, "+"))
	done := dir + ".packages"
	if names, err := os.ReadFile(done); err == nil && !s.Refresh {
		return dir, strings.Split(strings.TrimSpace(string(names)), "\n"), nil
	}
	apt, err := s.apt(suite, arch)
	if err != nil {
		return "", nil, err
	}
	debs, clean, err := apt.download(packages...)
	if err != nil {
		return "", nil, err
	}
	defer clean()
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o777)); err != nil {
		return "", nil, err
	}
	for _, deb := range debs {
		if out, err := exec.Command("dpkg-deb", "-x", deb, dir).CombinedOutput(); err != nil {
			return "", nil, fmt.Errorf("vmtest: unpacking %s: %w: %s", deb, err, out)
		}
		unpacked = append(unpacked, debName(deb))
	}
	return dir, unpacked, replaceFile(done, []byte(strings.Join(unpacked, "\n")+"\n"))
}

// rootFiles are what a system is configured with.
var rootFiles = map[string]string{
	"etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\ntester:x:1000:1000::/tmp:/bin/sh\n",
	"etc/group":         "root:x:0:\ntty:x:5:\nnogroup:x:65534:\ntester:x:1000:\n",
	"etc/shadow":        "root:*:19000:0:99999:7:::\n",
	"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
	"etc/hostname":      "vmtest\n",
	"etc/hosts":         "127.0.0.1 localhost vmtest\n::1 localhost ip6-localhost\n",
	"etc/resolv.conf":   "nameserver 127.0.0.1\n",
}

// alternatives are links that packages make when they are configured.
var alternatives = map[string]string{"sh": "dash", "awk": "mawk", "nc": "nc.openbsd", "vi": "vim.tiny"}

// Root makes an Archive of a system that has the packages and what they depend
// on, and returns its file.
func (s *Store) Root(arch, suite string, packages ...string) (file string, err error) {
	recipe := sha256.Sum256(fmt.Append(nil, packages, rootFiles, alternatives, useless))
	file = filepath.Join(s.Dir, "roots", fmt.Sprintf("%s-%s-%x.cpio", suite, arch, recipe[:6]))
	if _, err := os.Stat(file); err == nil && !s.Refresh {
		return file, nil
	}
	apt, err := s.apt(suite, arch)
	if err != nil {
		return "", err
	}
	debs, clean, err := apt.closure(packages...)
	if err != nil {
		return "", err
	}
	defer clean()
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	a := NewArchive(f)
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} { // merged, before anything is unpacked
		a.Dir("usr/"+dir, 0o755)
		a.Symlink(dir, "usr/"+dir)
	}
	for name, content := range rootFiles {
		perm := fs.FileMode(0o644)
		if name == "etc/shadow" {
			perm = 0o640
		}
		a.File(name, perm, []byte(content))
	}
	a.Symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
	for name, target := range alternatives {
		a.Symlink("usr/bin/"+name, target)
	}
	a.Dir("root", 0o700)
	for _, deb := range debs {
		if err := eachFile(deb, func(name string, h *tar.Header, r io.Reader) error { return a.unpack(name, h, r) }); err != nil {
			return "", err
		}
	}
	if err := errors.Join(a.Close(), f.Close()); err != nil {
		return "", err
	}
	return file, os.Rename(f.Name(), file)
}

// useless is what a machine that is to boot fast does without: documents, all of
// perl but perl-base, and those parts of gcc that only some of its flags need.
var useless = regexp.MustCompile(`^usr/share/(doc|man|locale|info|perl5?|bug|lintian|gitweb)/|^usr/share/zoneinfo/(right|posix)/|^usr/lib/[^/]+/perl5?/|/libperl\.so|/lib(a|hwa|l|t|ub)san[._]|/lto1/`)

// unpack adds a file of a package.
func (a *Archive) unpack(name string, h *tar.Header, r io.Reader) error {
	if useless.MatchString(name + "/") {
		return nil
	}
	if first, rest, ok := strings.Cut(name, "/"); ok && slices.Contains([]string{"bin", "sbin", "lib", "lib64"}, first) {
		name = "usr/" + first + "/" + rest
	}
	switch mode := uint32(h.Mode & 0o7777); h.Typeflag {
	case tar.TypeDir:
		if name != "" && !a.names[name] {
			a.parents(name)
			a.entry(name, typeDir|mode, nil, 0, 0)
		}
	case tar.TypeReg:
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		a.parents(name)
		a.entry(name, typeFile|mode, data, 0, 0)
	case tar.TypeSymlink:
		a.Symlink(name, h.Linkname)
	case tar.TypeLink: // an initramfs has them too, but there is no need
		a.Symlink(name, "/"+clean(h.Linkname))
	}
	return a.err
}

/* ---- apt ---- */

// apt is an apt with folders of its own.
type apt struct {
	dir         string
	suite, arch string
	options     []string
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// apt returns the one of a suite and architecture, its indices up to date.
func (s *Store) apt(suite, arch string) (*apt, error) {
	a := &apt{dir: filepath.Join(s.Dir, "apt", suite+"-"+arch), suite: suite, arch: arch}
	a.options = []string{"-qq",
		"-o", "APT::Architecture=" + arch, "-o", "APT::Architectures::=" + arch, "-o", "Dir::State=" + a.dir, "-o", "Dir::State::Lists=" + a.dir + "/lists",
		"-o", "Dir::State::status=" + a.dir + "/status", "-o", "Dir::Cache=" + a.dir + "/cache", "-o", "Dir::Etc::SourceList=" + a.dir + "/sources.list",
		"-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Dir::Etc::Preferences=/dev/null", "-o", "Dir::Etc::PreferencesParts=/dev/null",
		"-o", "Acquire::Languages=none", "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1",
		"-o", "Acquire::Retries=3", "-o", "APT::Update::Error-Mode=any"}
	key := suite + "/" + arch
	err, ok := s.updated[key]
	if !ok {
		fmt.Fprintf(s.Log, "reading the index of %s for %s\n", suite, arch)
		err = a.update()
		s.updated[key] = err
	}
	return a, err
}

func (a *apt) update() error {
	archive, security, err := archives()
	if err != nil {
		return err
	}
	var signed string
	if _, err := os.Stat(keyring); err == nil {
		signed = " signed-by=" + keyring
	}
	sources := fmt.Sprintf("deb [arch=%s%s] %s %s main\n", a.arch, signed, archive, a.suite)
	if security != "" && !strings.HasSuffix(a.suite, "-backports") && a.suite != "sid" {
		sources += fmt.Sprintf("deb [arch=%s%s] %s %s-security main\n", a.arch, signed, security, a.suite)
	}
	for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return err
		}
	}
	for file, content := range map[string]string{"status": "", "sources.list": sources} {
		if err := os.WriteFile(filepath.Join(a.dir, file), []byte(content), 0o644); err != nil {
			return err
		}
	}
	if _, err := a.run("", "apt-get", "update"); err != nil {
		return fmt.Errorf("vmtest: reading the index of %s for %s: %w", a.suite, a.arch, err)
	}
	return nil
}

// archives returns where this system has Debian, and its security updates or
// "", from.
func archives() (archive, security string, err error) {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)|$(ORIGIN)|$(LABEL)", "Created-By: Packages").Output()
	if err != nil {
		return "", "", fmt.Errorf("vmtest: asking apt for this system's sources (this needs Debian): %w", err)
	}
	return readTargets(string(out))
}

// readTargets reads lines of address, origin and label.
func readTargets(targets string) (archive, security string, err error) {
	for line := range strings.Lines(targets) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 3 {
			continue
		}
		uri, origin, label := f[0], f[1], f[2]
		// Before the first apt-get update there is but the address to tell by.
		if !strings.HasPrefix(origin, "$") && origin != "Debian" {
			continue
		}
		switch base := path.Base(strings.TrimSuffix(uri, "/")); {
		case archive == "" && (label == "Debian" || base == "debian"):
			archive = uri
		case security == "" && (label == "Debian-Security" || base == "debian-security"):
			security = uri
		}
	}
	if archive == "" {
		return "", "", errors.New("vmtest: this system's apt sources have no Debian archive to fetch kernels from")
	}
	return archive, security, nil
}

// run runs a command of apt in a folder and returns what it prints.
func (a *apt) run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, append(slices.Clone(a.options), args...)...)
	cmd.Dir = dir
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return string(out), nil
}

// download fetches packages, into a folder that clean removes.
func (a *apt) download(packages ...string) (debs []string, clean func(), err error) {
	dir, err := os.MkdirTemp(a.dir, "download-")
	if err != nil {
		return nil, nil, err
	}
	clean = func() { os.RemoveAll(dir) }
	if _, err := a.run(dir, "apt-get", append([]string{"download"}, packages...)...); err != nil {
		clean()
		return nil, nil, err
	}
	debs, err = filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != len(packages) {
		clean()
		return nil, nil, fmt.Errorf("vmtest: fetching %s: got %d files: %v", strings.Join(packages, " "), len(debs), err)
	}
	return debs, clean, nil
}

// closure fetches packages with what they depend on.
func (a *apt) closure(packages ...string) (debs []string, clean func(), err error) {
	clean = func() { os.RemoveAll(filepath.Join(a.dir, "cache", "archives")) }
	clean()
	if err := os.MkdirAll(filepath.Join(a.dir, "cache", "archives", "partial"), 0o755); err != nil {
		return nil, nil, err
	}
	if _, err := a.run("", "apt-get", append([]string{"install", "-y", "--no-install-recommends", "--download-only"}, packages...)...); err != nil {
		return nil, nil, err
	}
	debs, err = filepath.Glob(filepath.Join(a.dir, "cache", "archives", "*.deb"))
	slices.Sort(debs)
	return debs, clean, err
}

// kernels returns the packages that may have the kernel's image, newest first.
// Since 6.19 linux-binary has it, before that linux-image.
func (a *apt) kernels(version, flavour string) ([]string, error) {
	out, err := a.run("", "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return nil, err
	}
	return kernelPackages(strings.Fields(out), version, flavour, a.arch), nil
}

func kernelPackages(names []string, version, flavour, arch string) []string {
	if flavour != "" {
		flavour += "-"
	}
	re := regexp.MustCompile(`^linux-(image|binary)-(` + regexp.QuoteMeta(version) + `(?:\.\d+)*(?:-\d+|\+deb[\d.]+|-0\.deb[\d.]+))-` + flavour + arch + `$`)
	type candidate struct{ name, kind, version string }
	var found []candidate
	for _, name := range names {
		if m := re.FindStringSubmatch(name); m != nil {
			found = append(found, candidate{name, m[1], m[2]})
		}
	}
	slices.SortFunc(found, func(x, y candidate) int {
		return cmp.Or(compareVersions(y.version, x.version), cmp.Compare(x.kind, y.kind))
	})
	var sorted []string
	for _, c := range found {
		sorted = append(sorted, c.name)
	}
	return sorted
}

// compareVersions compares numbers in a text as numbers.
func compareVersions(x, y string) int {
	pad := regexp.MustCompile(`\d+`)
	return cmp.Compare(
		pad.ReplaceAllStringFunc(x, func(n string) string { return fmt.Sprintf("%08s", n) }),
		pad.ReplaceAllStringFunc(y, func(n string) string { return fmt.Sprintf("%08s", n) }))
}

// vmlinuz fetches a package and returns the kernel's image in it and the
// package with its version.
func (a *apt) vmlinuz(pkg string) (image []byte, deb string, err error) {
	debs, clean, err := a.download(pkg)
	if err != nil {
		return nil, "", err
	}
	defer clean()
	err = eachFile(debs[0], func(name string, h *tar.Header, r io.Reader) (err error) {
		if dir, base := path.Split(name); h.Typeflag == tar.TypeReg && image == nil &&
			(dir == "boot/" && strings.HasPrefix(base, "vmlinuz-") || base == "vmlinuz" && strings.Contains(dir, "lib/modules/")) {
			image, err = io.ReadAll(r)
		}
		return err
	})
	if err == nil && image == nil {
		err = fmt.Errorf("vmtest: %s has no kernel image", pkg)
	}
	return image, debName(debs[0]), err
}

// debName returns the package and version of a file as apt names it.
func debName(file string) string {
	f := strings.Split(strings.TrimSuffix(filepath.Base(file), ".deb"), "_")
	if len(f) < 2 {
		return filepath.Base(file)
	}
	return f[0] + " " + strings.ReplaceAll(f[1], "%3a", ":")
}

// eachFile calls f with the files in a package.
func eachFile(deb string, f func(name string, h *tar.Header, r io.Reader) error) error {
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("vmtest: unpacking packages: %w", err)
	}
	read := func() error {
		for r := tar.NewReader(out); ; {
			h, err := r.Next()
			if err == io.EOF {
				_, err = io.Copy(io.Discard, out)
				return err
			}
			if err == nil {
				err = f(clean(h.Name), h, r)
			}
			if err != nil {
				return err
			}
		}
	}
	err = read()
	out.Close()
	return errors.Join(err, cmd.Wait())
}

// replaceFile writes a file, all of it or nothing.
func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(fs.FileMode(0o644)), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// Install installs Debian packages whose command is missing, each as
// "command=package", if this is root on a system with apt.
func Install(log io.Writer, wanted ...string) error {
	var missing []string
	for _, w := range wanted {
		command, pkg, _ := strings.Cut(w, "=")
		probe := func() bool { _, err := exec.LookPath(command); return err == nil }
		if strings.HasPrefix(command, "/") {
			probe = func() bool { _, err := os.Stat(command); return err == nil }
		}
		if !probe() {
			missing = append(missing, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	install := append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("vmtest: missing packages; as root on Debian: apt-get %s", strings.Join(install, " "))
	}
	for _, args := range [][]string{{"update", "-qq"}, install} {
		fmt.Fprintf(log, "apt-get %s\n", strings.Join(args, " "))
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("vmtest: apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}
