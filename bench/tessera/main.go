// A log made with Tessera's POSIX driver, with the settings that decide how fast it is as flags.
//
// Tessera's own example program has them fixed in its source. This one does the same work: POST /add takes an
// entry, and answers with its index once Tessera has given it one; everything else is files.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	badger "github.com/transparency-dev/tessera/storage/posix/antispam"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	storage := flag.String("storage_dir", "", "the folder that the log is in")
	listen := flag.String("listen", "", "address and port to listen on")
	keyFile := flag.String("private_key", "", "the file with the signer's key")
	withAntispam := flag.Bool("antispam", false, "look all duplicates up, in a database of their own")
	batchSize := flag.Uint("batch_size", tessera.DefaultBatchMaxSize, "the most entries of a batch")
	batchAge := flag.Duration("batch_age", tessera.DefaultBatchMaxAge, "the longest that a batch waits")
	interval := flag.Duration("checkpoint_interval", time.Second, "between two checkpoints")
	flag.Parse()
	log.Fatal(serve(*storage, *listen, *keyFile, *withAntispam, *batchSize, *batchAge, *interval))
}

func serve(storage, listen, keyFile string, withAntispam bool, batchSize uint, batchAge, interval time.Duration) error {
	ctx := context.Background()
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(string(key))
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: storage})
	if err != nil {
		return err
	}
	// Without a database, duplicates are still found among the latest entries, as in Tessera's own program.
	var known tessera.Antispam
	if withAntispam {
		folder := filepath.Join(storage, ".state", "antispam")
		known, err = badger.NewAntispam(ctx, folder, badger.AntispamOpts{})
		if err != nil {
			return err
		}
	}
	appender, _, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(interval).
		WithBatching(batchSize, batchAge).
		WithAntispam(tessera.DefaultAntispamInMemorySize, known))
	if err != nil {
		return err
	}
	// Of its own: libraries add pages of theirs to the one that all programs share.
	paths := http.NewServeMux()
	paths.HandleFunc("POST /add", func(answer http.ResponseWriter, request *http.Request) {
		entry, err := io.ReadAll(request.Body)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		index, err := appender.Add(request.Context(), tessera.NewEntry(entry))()
		switch {
		case errors.Is(err, tessera.ErrPushback):
			http.Error(answer, err.Error(), http.StatusTooManyRequests)
		case err != nil:
			http.Error(answer, err.Error(), http.StatusInternalServerError)
		default:
			_, _ = io.WriteString(answer, strconv.FormatUint(index.Index, 10))
		}
	})
	paths.Handle("GET /", http.FileServer(http.Dir(storage)))
	return http.ListenAndServe(listen, paths)
}
