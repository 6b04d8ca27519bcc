package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
)

// dbBatch does operations by the thousand, which is the most that one request
// takes. It fails where any of them did, when all are done.
func dbBatch(ctx context.Context, c *cli.Context, cmd command, args []string) error {
	if isTerminal(c.App.Reader) {
		return usagef("give the operations on stdin: rosey db batch quotes < operations.jsonl")
	}
	in, out := json.NewDecoder(c.App.Reader), terminal.EscapeJSON(c.App.Writer)
	done, failed := 0, 0
	for more := true; more; {
		var batch event.Batch
		if len(args) > 0 {
			batch.Collection = args[0]
		}
		for len(batch.Operations) < event.MaxBatch {
			var op json.RawMessage
			if err := in.Decode(&op); errors.Is(err, io.EOF) {
				more = false
				break
			} else if err != nil {
				return usagef("operation %d is not JSON: %v; %d were done before", done+len(batch.Operations), err, done)
			}
			batch.Operations = append(batch.Operations, op)
		}
		if len(batch.Operations) == 0 {
			break
		}
		answers, err := cmd.batch(ctx, batch)
		if err != nil {
			return fmt.Errorf("after %d operation(s): %w", done, err)
		}
		for _, answer := range answers {
			if event.ReplyError(answer) != nil {
				failed++
			}
			fmt.Fprintf(out, "%s\n", bytes.TrimSpace(answer))
		}
		done += len(batch.Operations)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d operation(s) failed", failed, done)
	}
	return nil
}

// batch makes one request. Operations that failed are no error: their answers
// say so.
func (cmd command) batch(ctx context.Context, batch event.Batch) ([]json.RawMessage, error) {
	reply, err := cmd.reply(ctx, event.SubjectBatch, batch)
	if reply == nil {
		return nil, err
	}
	var answer struct{ Data []json.RawMessage }
	if err := json.Unmarshal(reply, &answer); err != nil {
		return nil, fmt.Errorf("read the reply: %w", err)
	}
	if len(answer.Data) != len(batch.Operations) {
		return nil, event.ReplyError(reply)
	}
	return answer.Data, nil
}
