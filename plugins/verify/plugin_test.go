package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nuid"
)

// greeter is a plugin that uses nothing of Rosey but the contract, and may have a fault.
type greeter struct {
	fault string
	js    jetstream.JetStream
}

const registration = `{"name":"hello","version":"1.0.0","max_age":60,"commands":[
	{"name":"hello","usage":"hello bob"},{"name":"hi","alias_of":"hello"},{"name":"bye","usage":"bye [NAME]"}],
	"settings":{"type":"object","properties":{"loud":{"type":"boolean","default":false}}}}`

func runPlugin(fault string) error {
	options := []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond), nats.UserInfo(os.Getenv("NATS_USER"), os.Getenv("NATS_PASSWORD"))}
	if creds := os.Getenv("NATS_CREDS"); creds != "" {
		options = append(options, nats.UserCredentials(creds))
	}
	if fault == "ends when cut" {
		options = append(options, nats.DisconnectErrHandler(func(*nats.Conn, error) { os.Exit(3) }))
	}
	nc, err := nats.Connect(os.Getenv("NATS_URL"), options...)
	if err != nil {
		return err
	}
	g := &greeter{fault: fault}
	if g.js, err = jetstream.New(nc); err != nil {
		return err
	}
	if err := g.register(nc); err != nil {
		return err
	}
	consumer, err := g.consumer()
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1))
	if err != nil {
		return err
	}
	ctx := context.Background()
	if fault != "stops at once" {
		var stop func()
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM)
		defer stop()
	}
	end := messages.Drain
	if fault == "breaks off its pull" {
		end = messages.Stop
	}
	context.AfterFunc(ctx, end)
	for {
		msg, err := messages.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nc.Drain()
		}
		if err != nil {
			continue
		}
		if fault == "acks first" {
			_ = msg.DoubleAck(context.Background())
		}
		if err := g.handle(msg); err != nil {
			_ = msg.NakWithDelay(100 * time.Millisecond)
			continue
		}
		_ = msg.DoubleAck(context.Background())
	}
}

func (g *greeter) register(nc *nats.Conn) error {
	text := registration
	switch g.fault {
	case "dies":
		return errors.New("no greeting today")
	case "bad registration":
		text = strings.Replace(text, `"max_age":60`, `"max_age":-1`, 1)
	}
	kv, err := g.js.KeyValue(context.Background(), "plugins")
	if err != nil {
		return err
	}
	if _, err := kv.Put(context.Background(), "hello", []byte(text)); err != nil || g.fault == "other subject" {
		return err
	}
	_, err = micro.AddService(nc, micro.Config{Name: "plugin-hello", Version: "1.0.0", Metadata: map[string]string{"plugin": "hello"}})
	return err
}

func (g *greeter) consumer() (jetstream.Consumer, error) {
	c, err := g.js.Consumer(context.Background(), "PLUGIN", "plugin-hello")
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return g.js.CreateConsumer(context.Background(), "PLUGIN", jetstream.ConsumerConfig{
			Durable: "plugin-hello", FilterSubject: "plugin.hello.command", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Second,
		})
	}
	return c, err
}

// envelope is an event, as far as the plugin reads and writes it.
type envelope struct {
	Subject     string         `json:"subject"`
	Data        map[string]any `json:"data"`
	Correlation string         `json:"correlation_id"`
	Metadata    map[string]any `json:"metadata"`
}

func (g *greeter) handle(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	seq := meta.Sequence.Stream
	var e envelope
	_ = json.Unmarshal(msg.Data(), &e)
	command, ok := e.Data["command"].(string)
	if _, hasUser := e.Data["user"].(string); !ok || !hasUser {
		return g.giveUp(e, seq, "malformed event")
	}
	if meta.NumDelivered > 5 && g.fault != "tries for ever" {
		return g.giveUp(e, seq, "crashed on last attempt")
	}
	retryFor, _ := e.Metadata["retry_for"].(string)
	switch {
	case retryFor != "" && retryFor != "plugin-hello" && g.fault != "any retry":
		return nil
	case time.Since(meta.Timestamp) > time.Minute && g.fault != "answers old":
		return g.publish(e, seq, "plugin.hello.event.expired", map[string]any{
			"event_type": "expired", "consumer": "plugin-hello", "stream": "PLUGIN", "seq": seq, "subject": msg.Subject(), "age": time.Since(meta.Timestamp).Seconds(), "max_age": 60,
		})
	case g.fault == "no command", command != "hello" && command != "bye":
		return nil
	}
	if g.fault != "reads once" {
		if err := g.readSettings(); err != nil {
			return err
		}
	}
	if e.Data["private"] == true && g.fault != "public" {
		return g.publish(e, seq, "cytube.send.pm", map[string]any{"to": e.Data["user"], "message": "hello", "channel": e.Data["channel"]})
	}
	return g.publish(e, seq, "cytube.send.chat", map[string]any{"message": "hello", "channel": e.Data["channel"]})
}

func (g *greeter) giveUp(e envelope, seq uint64, why string) error {
	switch g.fault {
	case "ends at rubbish":
		os.Exit(4)
	case "no dead letter":
		return nil
	}
	return g.publish(e, seq, "plugin.hello.event.dead_letter", map[string]any{
		"event_type": "dead_letter", "consumer": "plugin-hello", "stream": "PLUGIN", "seq": seq, "subject": "plugin.hello.command",
		"error": why, "error_code": "INVALID_INPUT", "attempts": 1,
	})
}

func (g *greeter) readSettings() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	kv, err := g.js.KeyValue(ctx, "settings")
	if err == nil {
		_, err = kv.Get(ctx, "hello")
	}
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	return err
}

func (g *greeter) publish(cause envelope, seq uint64, subject string, data map[string]any) error {
	ref := "PLUGIN:" + strconv.FormatUint(seq, 10)
	id := "plugin-hello/" + ref + "/1"
	if g.fault == "random IDs" {
		id = nuid.Next()
	}
	if g.fault == "no correlation" {
		cause.Correlation = "mine"
	}
	body, err := json.Marshal(envelope{subject, data, cause.Correlation, map[string]any{"source": "plugin-hello", "causation_id": ref}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = g.js.Publish(ctx, subject, body, jetstream.WithMsgID(id))
	return err
}
