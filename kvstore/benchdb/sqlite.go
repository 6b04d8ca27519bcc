package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// sqliteSettings are the pragmas of the comparison. Like JetStream's file store,
// SQLite then does not wait for the disk when it commits.
const sqliteSettings = "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"

// sqliteSide is a SQLite database in this process, with prepared statements on
// one connection, which is the fastest way to use it.
type sqliteSide struct {
	db  *sql.DB
	dir string
	stmts
}

type stmts struct{ get, set, update, insert, page, count, likePage, likeCount *sql.Stmt }

const columns = "id, text, user, timestamp, score"

func startSQLite(dir string) (s *sqliteSide, err error) {
	s = &sqliteSide{}
	if s.dir, err = os.MkdirTemp(dir, "benchdb-sqlite-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.db, err = sql.Open("sqlite", "file:"+filepath.Join(s.dir, "bench.db")+sqliteSettings); err != nil {
		return s, err
	}
	s.db.SetMaxOpenConns(1)
	// LIKE is to tell cases apart, as $like does.
	if _, err = s.db.Exec(`PRAGMA case_sensitive_like = ON;
		CREATE TABLE quotes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT, user TEXT, timestamp INTEGER, score INTEGER);
		CREATE INDEX by_user ON quotes (user, timestamp DESC)`); err != nil {
		return s, err
	}
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&s.get, "SELECT " + columns + " FROM quotes WHERE id = ?"},
		{&s.set, "INSERT OR REPLACE INTO quotes (" + columns + ") VALUES (?, ?, ?, ?, ?)"},
		{&s.update, "UPDATE quotes SET score = score + 1 WHERE id = ?"},
		{&s.insert, "INSERT INTO quotes (text, user, timestamp, score) VALUES (?, ?, ?, ?)"},
		{&s.page, "SELECT " + columns + " FROM quotes WHERE user = ? ORDER BY timestamp DESC LIMIT 10"},
		{&s.count, "SELECT COUNT(*) FROM quotes WHERE user = ?"},
		{&s.likePage, "SELECT " + columns + " FROM quotes WHERE text LIKE ? ORDER BY timestamp DESC LIMIT 10"},
		{&s.likeCount, "SELECT COUNT(*) FROM quotes WHERE text LIKE ?"},
	} {
		if *p.to, err = s.db.Prepare(p.sql); err != nil {
			return s, fmt.Errorf("%s: %w", p.sql, err)
		}
	}
	return s, nil
}

func (s *sqliteSide) stop() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *sqliteSide) fill(count int) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	set := tx.Stmt(s.set)
	for i := 1; i <= count; i++ {
		r := recordOf(i, count)
		if _, err := set.Exec(r.ID, r.Text, r.User, r.Timestamp, r.Score); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
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

func countOf(ctx context.Context, stmt *sql.Stmt, arg any) (n int, err error) {
	err = stmt.QueryRowContext(ctx, arg).Scan(&n)
	return n, err
}
