package benchdb

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
)

// sqliteSettings are the pragmas of the comparison. Like JetStream's file store,
// SQLite then does not wait for the disk when it commits.
const sqliteSettings = "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"

// sqliteSide is a SQLite database in this process, with prepared statements on one
// connection, which is the fastest way to use it.
type sqliteSide struct {
	db                                                         *sql.DB
	get, set, update, insert, page, count, likePage, likeCount *sql.Stmt
}

const columns = "id, text, user, timestamp, score"

func startSQLite(b *testing.B) *sqliteSide {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bench.db")+sqliteSettings)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	// LIKE must be case-sensitive, as $like is.
	if _, err := db.Exec(`PRAGMA case_sensitive_like = ON;
		CREATE TABLE quotes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT, user TEXT, timestamp INTEGER, score INTEGER);
		CREATE INDEX by_user ON quotes (user, timestamp DESC)`); err != nil {
		b.Fatal(err)
	}
	prepare := func(query string) *sql.Stmt {
		stmt, err := db.Prepare(query)
		if err != nil {
			b.Fatalf("%s: %v", query, err)
		}
		return stmt
	}
	return &sqliteSide{
		db:        db,
		get:       prepare("SELECT " + columns + " FROM quotes WHERE id = ?"),
		set:       prepare("INSERT OR REPLACE INTO quotes (" + columns + ") VALUES (?, ?, ?, ?, ?)"),
		update:    prepare("UPDATE quotes SET score = score + 1 WHERE id = ?"),
		insert:    prepare("INSERT INTO quotes (text, user, timestamp, score) VALUES (?, ?, ?, ?)"),
		page:      prepare("SELECT " + columns + " FROM quotes WHERE user = ? ORDER BY timestamp DESC LIMIT 10"),
		count:     prepare("SELECT COUNT(*) FROM quotes WHERE user = ?"),
		likePage:  prepare("SELECT " + columns + " FROM quotes WHERE text LIKE ? ORDER BY timestamp DESC LIMIT 10"),
		likeCount: prepare("SELECT COUNT(*) FROM quotes WHERE text LIKE ?"),
	}
}

func (s *sqliteSide) fill(b *testing.B, count int) {
	b.Helper()
	tx, err := s.db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	set := tx.Stmt(s.set)
	for i := 1; i <= count; i++ {
		r := recordOf(i, count)
		if _, err := set.Exec(r.ID, r.Text, r.User, r.Timestamp, r.Score); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// query reads a page and, as the contract's answer has it, the count of all.
func (s *sqliteSide) query(page, count *sql.Stmt, arg func(i int) string, want int) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		found, err := read(ctx, page, arg(i))
		if err != nil {
			return err
		}
		var total int
		if err := count.QueryRowContext(ctx, arg(i)).Scan(&total); err != nil {
			return err
		}
		return check(len(found), total, want)
	}
}

// read runs a query for a page of records.
func read(ctx context.Context, stmt *sql.Stmt, arg any) ([]record, error) {
	rows, err := stmt.QueryContext(ctx, arg)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []record
	for rows.Next() {
		var r record
		if err := rows.Scan(&r.ID, &r.Text, &r.User, &r.Timestamp, &r.Score); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
