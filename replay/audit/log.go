package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ReadLog returns the last link of a log of seals, or the zero Link if there is no log.
func ReadLog(path string) (last Link, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Link{}, nil
	}
	if err != nil {
		return Link{}, fmt.Errorf("read the log of seals: %w", err)
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.Chain == "" {
		return Link{}, fmt.Errorf("the last line of the log of seals %s is damaged: take the link from the newest seal, or move the file away to begin another log", path)
	}
	return last, nil
}

// AppendLog adds a link to a log of seals, which is never changed otherwise.
func AppendLog(path string, l Link) error {
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write the log of seals: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("write the log of seals: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the log of seals: %w", err)
	}
	return nil
}
