package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/snapshot"
)

// littleSpace is how few free bytes on the store's disk are worth a warning.
const littleSpace = 1 << 30

// checkStore checks the directory of the embedded server, and its disk.
func (c *checkup) checkStore(context.Context) {
	dir := c.settings.Store
	if c.settings.External() {
		c.ok("an external server keeps everything")
		return
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := existing(dir)
		if err := writable(parent); err != nil {
			c.fail("make "+dir+" as the user that runs the bot, or choose another with --store", "%s does not exist, and %v", dir, err)
			return
		}
		c.ok("%s does not exist yet; rosey run makes it", dir)
	case errors.Is(err, fs.ErrPermission):
		c.denied = true
		c.fail(connect.AsItsOwner, "%v", err)
		return
	case err != nil:
		c.fail("choose another directory with --store", "%v", err)
		return
	case !info.IsDir():
		c.fail("choose another directory with --store", "%s is not a directory", dir)
		return
	case snapshot.Is(dir):
		c.fail("restore it: rosey restore "+dir+" --store DIR", "%s is a backup, on which no bot can run", dir)
		return
	case client.Incomplete(dir):
		c.fail("remove the directory and restore again", "the restore into %s was broken off", dir)
		return
	default:
		switch err := writable(dir); {
		case errors.Is(err, fs.ErrPermission):
			c.denied = true
			c.fail(connect.AsItsOwner, "%v", err)
		case err != nil:
			c.fail("look at the store's disk", "%v", err)
		default:
			c.ok("%s is there and can be written to", dir)
		}
		if info.Mode().Perm()&0o077 != 0 {
			c.warn("chmod 700 "+dir, "others can look into %s", dir)
		}
	}
	for _, kept := range snapshot.OfFormats(dir) {
		c.ok("%s is what it held before it was migrated; remove that when all is well", kept)
	}
	free, total := embedded.DiskSpace(existing(dir))
	text := humanize.IBytes(free) + " of " + humanize.IBytes(total) + " free on its disk"
	switch {
	case total == 0:
	case free < uint64(c.settings.StoreReserve):
		c.fail("make room, shorten retention, or lower store_reserve: nothing new is stored", "%s, less than store_reserve, %s", text, humanize.IBytes(uint64(c.settings.StoreReserve)))
	case free < littleSpace:
		c.warn("make room, or shorten retention in the configuration", "%s", text)
	default:
		c.ok("%s", text)
	}
}

// existing is the nearest directory at or above dir that exists.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".rosey-doctor-")
	if err != nil {
		return fmt.Errorf("%s cannot be written to: %w", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
