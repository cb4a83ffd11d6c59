package gatehouse

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// exportManifest is the file that marks a folder as an export and lists its pages.
const exportManifest = ".gatehouse-export.json"

// exportDir is a folder in the making. Files are written to a folder beside the target, through an [os.Root] that no
// name can leave, and the whole becomes the target in one rename.
type exportDir struct {
	target  string
	staging string
	root    *os.Root
}

// newExportDir refuses a target that is something else than absent, empty or an earlier export: it will be replaced.
func newExportDir(target string) (*exportDir, error) {
	target, err := filepath.Abs(target)
	if err != nil {
		return nil, fmt.Errorf("gatehouse: export: %w", err)
	}
	if err := replaceable(target); err != nil {
		return nil, err
	}
	staging, err := os.MkdirTemp(filepath.Dir(target), "."+filepath.Base(target)+".export-*")
	if err != nil {
		return nil, fmt.Errorf("gatehouse: export: %w", err)
	}
	root, err := os.OpenRoot(staging)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("gatehouse: export: %w", err), os.Remove(staging))
	}
	return &exportDir{target: target, staging: staging, root: root}, nil
}

func replaceable(target string) error {
	info, err := os.Lstat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("gatehouse: export: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("gatehouse: ExportConfig.Dir = %q must be a folder", target)
	}
	entries, err := os.ReadDir(target)
	if err != nil {
		return fmt.Errorf("gatehouse: export: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(target, exportManifest)); err != nil {
		return fmt.Errorf("gatehouse: ExportConfig.Dir = %q must be absent, empty or an earlier export: it would be replaced", target)
	}
	return nil
}

// write makes the file with its folders. It is safe for concurrent use.
func (d *exportDir) write(name string, body []byte) error {
	if err := d.root.MkdirAll(path.Dir(name), 0o755); err != nil { // a site is for everyone to read
		return err
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	return errors.Join(err, f.Sync(), f.Close())
}

// publish adds the manifest and puts the folder in the target's place. The earlier export is kept until that is done.
func (d *exportDir) publish(r ExportReport) error {
	manifest, err := json.MarshalIndent(r.Pages, "", "  ")
	if err == nil {
		err = d.write(exportManifest, append(manifest, '\n'))
	}
	if err == nil {
		err = d.root.Chmod(".", 0o755) // MkdirTemp's 0700 is for secrets; a site has none
	}
	if err == nil {
		err = replaceable(d.target) // somebody may have filled it meanwhile
	}
	if err != nil {
		return err
	}
	old := d.staging + ".old"
	err = os.Rename(d.target, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	replaced := err == nil
	if err := os.Rename(d.staging, d.target); err != nil {
		if replaced {
			err = errors.Join(err, os.Rename(old, d.target))
		}
		return err
	}
	return os.RemoveAll(old)
}

// discard removes what was not published.
func (d *exportDir) discard() {
	_ = d.root.Close()
	_ = os.RemoveAll(d.staging) // absent after publish
}

// exportName returns the file for the page at a decoded URL path.
func exportName(decoded, contentType string, indexFiles bool) (string, error) {
	name := strings.TrimPrefix(decoded, "/")
	switch ext := path.Ext(name); {
	case name == "" || strings.HasSuffix(name, "/"):
		if !isHTML(contentType) {
			return "", fmt.Errorf("%w: it ends with a slash and is %s", ErrExportName, contentType)
		}
		name += "index.html"
	case !isHTML(contentType) || ext == ".html" || ext == ".htm":
	case indexFiles:
		name += "/index.html"
	default:
		name += ".html"
	}
	for segment := range strings.SplitSeq(name, "/") {
		if rule := fileNameRule(segment); rule != "" {
			return "", fmt.Errorf("%w: segment %q %s", ErrExportName, segment, rule)
		}
	}
	return name, nil
}

// fileNameRule returns the rule that a segment breaks as a file name on some common file system, or "".
func fileNameRule(segment string) string {
	stem, _, _ := strings.Cut(segment, ".")
	switch {
	case segment == "" || segment == "." || segment == "..":
		return "must not be empty or dots"
	case len(segment) > 255:
		return "must have at most 255 bytes"
	case strings.ContainsAny(segment, `<>:"\|?*/`+"\x00"):
		return `must not contain < > : " \ | ? *`
	case strings.HasSuffix(segment, ".") || strings.HasSuffix(segment, " "):
		return "must not end with a dot or a space"
	case segment == exportManifest:
		return "is kept for the list of pages"
	}
	switch strings.ToUpper(stem) {
	case "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9":
		return "must not be a device name"
	}
	return ""
}
