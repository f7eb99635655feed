// Command gocheck reads a Candor log as a client that shares no code with it.
//
// It fetches what any client of a C2SP tlog-tiles log fetches, and leaves all of the checking to
// golang.org/x/mod/sumdb, the library behind Go's checksum database:
//
//	checkpoint ──note.Open──► size and root ──┐
//	tiles ────────────────TileHashReader──────┴─► ProveRecord ─► CheckRecord ◄─ RecordHash ─ entry bundles
//
// Exit codes: 0 when everything holds, 1 with the first thing that does not, 2 for wrong usage.
package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	mathrand "math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// tileHeight is the height that C2SP tlog-tiles fixes: 256 hashes in a full tile.
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	// A full bundle of the longest entries has 256 * (2 + 65,535) bytes, and nothing else comes near it.
	responseBytesMax = tileWidth * (2 + 65_535)
)

func main() {
	url := flag.String("url", "", "the log's `prefix`, such as http://127.0.0.1:8000")
	vkey := flag.String("vkey", "", "the log's verifier `key`")
	count := flag.Int64("n", 10, "how many random entries to verify")
	seed := flag.Int64("seed", 0, "the seed that picks them; 0 picks a new one")
	old := flag.String("old", "", "a `file` with an older checkpoint of the log, which must be consistent")
	flag.Parse()
	if *url == "" || *vkey == "" || *count < 0 || flag.NArg() != 0 {
		fmt.Fprintln(os.Stderr, "gocheck: give -url and -vkey, and no other arguments")
		flag.Usage()
		os.Exit(2)
	}
	if *seed == 0 {
		var random [8]byte
		rand.Read(random[:])
		*seed = int64(binary.BigEndian.Uint64(random[:]) >> 1)
	}
	if err := run(os.Stdout, *url, *vkey, *old, *count, *seed); err != nil {
		fmt.Fprintf(os.Stderr, "gocheck: %v (seed %d)\n", err, *seed)
		os.Exit(1)
	}
}

// run verifies the log's checkpoint, the older one in the file old if it has a name, and count entries.
func run(out io.Writer, url, vkey, old string, count, seed int64) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("the verifier key: %w", err)
	}
	log := newLogReader(url)
	bytes, err := log.fetch("checkpoint")
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(bytes, verifier)
	if err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	if old != "" {
		if err := checkOlder(old, verifier, tree, log); err != nil {
			return err
		}
	}
	if tree.N == 0 && count > 0 {
		return errors.New("the log is empty, and there is no entry to verify")
	}
	hashes := tlog.TileHashReader(tree, log)
	random := mathrand.New(mathrand.NewSource(seed))
	for done := int64(0); done < count; done++ {
		if err := checkEntry(log, hashes, tree, random.Int63n(tree.N)); err != nil {
			return fmt.Errorf("after %d of %d entries: %w", done, count, err)
		}
	}
	fmt.Fprintf(out, "verified %d of %d entries in a tree of %d\n", count, count, tree.N)
	return nil
}

// openCheckpoint reads a C2SP tlog-checkpoint that verifier's key signed. tlog.ParseTree won't do: it
// wants the first line that Go's own checksum database has.
func openCheckpoint(bytes []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(bytes, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 {
		return tlog.Tree{}, fmt.Errorf("it has %d lines, and three are needed", len(lines)-1)
	}
	if lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("it is of %q, and the key is for %q", lines[0], verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("%q is no tree size", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%q is no root hash: %w", lines[2], err)
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// checkOlder checks that the tree of the checkpoint in the file is the beginning of tree.
func checkOlder(file string, verifier note.Verifier, tree tlog.Tree, log *logReader) error {
	bytes, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	older, err := openCheckpoint(bytes, verifier)
	if err != nil {
		return fmt.Errorf("the checkpoint in %s: %w", file, err)
	}
	if older.N > tree.N {
		return fmt.Errorf("the log shrank: %s has %d entries, and the log has %d", file, older.N, tree.N)
	}
	if older.N == 0 {
		// CheckTree has no proof for this: every tree begins with the empty one.
		return nil
	}
	proof, err := tlog.ProveTree(tree.N, older.N, tlog.TileHashReader(tree, log))
	if err != nil {
		return fmt.Errorf("the proof from %d to %d entries: %w", older.N, tree.N, err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash); err != nil {
		return fmt.Errorf("the tree of %d entries is not the beginning of that of %d: %w", older.N, tree.N, err)
	}
	return nil
}

// checkEntry checks that the entry that the log serves at index is the one in its tree.
func checkEntry(log *logReader, hashes tlog.HashReader, tree tlog.Tree, index int64) error {
	entry, err := log.entry(index, tree.N)
	if err != nil {
		return fmt.Errorf("entry %d: %w", index, err)
	}
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return fmt.Errorf("the proof for entry %d: %w", index, err)
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return fmt.Errorf("entry %d is not the one in the tree: %w", index, err)
	}
	return nil
}

// logReader fetches from one log. It is a tlog.TileReader, and keeps the tiles that proved to be true.
type logReader struct {
	url    string
	client *http.Client
	mu     sync.Mutex
	tiles  map[tlog.Tile][]byte
}

func newLogReader(url string) *logReader {
	return &logReader{
		url:    strings.TrimSuffix(url, "/"),
		client: &http.Client{Timeout: 30 * time.Second},
		tiles:  make(map[tlog.Tile][]byte),
	}
}

func (log *logReader) fetch(path string) ([]byte, error) {
	response, err := log.client.Get(log.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: the log answers %s", path, response.Status)
	}
	bytes, err := io.ReadAll(io.LimitReader(response.Body, responseBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(bytes) > responseBytesMax {
		return nil, fmt.Errorf("%s: over %d bytes", path, responseBytesMax)
	}
	return bytes, nil
}

// entry reads one entry from the bundle that it is in.
func (log *logReader) entry(index, size int64) ([]byte, error) {
	bundle := tlog.Tile{H: tileHeight, L: -1, N: index / tileWidth, W: tileWidth}
	if rest := size - bundle.N*tileWidth; rest < tileWidth {
		bundle.W = int(rest)
	}
	path := servedAt(bundle)
	bytes, err := log.fetch(path)
	if err != nil {
		return nil, err
	}
	var found []byte
	for n := 0; n < bundle.W; n++ {
		if len(bytes) < 2 {
			return nil, fmt.Errorf("%s: ends before entry %d of %d", path, n, bundle.W)
		}
		length := int(binary.BigEndian.Uint16(bytes))
		if bytes = bytes[2:]; len(bytes) < length {
			return nil, fmt.Errorf("%s: ends inside entry %d of %d", path, n, bundle.W)
		}
		if int64(n) == index%tileWidth {
			found = bytes[:length]
		}
		bytes = bytes[length:]
	}
	if len(bytes) != 0 {
		return nil, fmt.Errorf("%s: %d bytes behind the last entry", path, len(bytes))
	}
	return found, nil
}

// servedAt turns tile/8/2/x001/234.p/5 into tile/2/x001/234.p/5, and tile/8/data/… into tile/entries/…:
// in Go's paths the height is part, and records have another name.
func servedAt(tile tlog.Tile) string {
	rest := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	if strings.HasPrefix(rest, "data/") {
		return "tile/entries/" + strings.TrimPrefix(rest, "data/")
	}
	return "tile/" + rest
}

// Height is the height of all of the log's tiles.
func (log *logReader) Height() int { return tileHeight }

// ReadTiles reads tiles, from memory those that were verified before.
func (log *logReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		log.mu.Lock()
		bytes, ok := log.tiles[tile]
		log.mu.Unlock()
		if !ok {
			path := servedAt(tile)
			var err error
			if bytes, err = log.fetch(path); err != nil {
				return nil, err
			}
			if len(bytes) != tile.W*tlog.HashSize {
				return nil, fmt.Errorf("%s: %d bytes instead of %d", path, len(bytes), tile.W*tlog.HashSize)
			}
		}
		found[i] = bytes
	}
	return found, nil
}

// SaveTiles keeps tiles in memory, now that they proved to be part of the tree.
func (log *logReader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	log.mu.Lock()
	defer log.mu.Unlock()
	for i, tile := range tiles {
		log.tiles[tile] = data[i]
	}
}
