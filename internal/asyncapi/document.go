package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

type object = map[string]any

// document describes what a plugin, the application of the description, sends and receives.
type document struct {
	schemas    map[string]*jsonschema.Schema
	channels   object
	operations object
	messages   object
	payloads   map[string]string // names of the schemas of the data of events, by channel
	comments   comments
}

// newDocument makes the description from package event and its comments.
func newDocument(root string) (*document, error) {
	c, err := readComments(root, "event", "consumers/router", "consumers/pluginsettings")
	if err != nil {
		return nil, err
	}
	d := &document{schemas: map[string]*jsonschema.Schema{}, channels: object{}, operations: object{}, messages: object{}, payloads: map[string]string{}, comments: c}
	maps.Copy(d.schemas, parts())
	for _, p := range event.Payloads() {
		if p.Type == nil && p.Pattern == event.AllDatabase {
			continue // what is not named is not described
		}
		if err := d.add(p); err != nil {
			return nil, err
		}
	}
	return d, d.addBuckets()
}

// add describes the subjects of a payload type.
func (d *document) add(p event.Payload) error {
	address := addressOf(p.Pattern)
	payload := "Object"
	if p.Type != nil {
		payload = p.Type.Name()
		if err := d.addType(payload, p.Type); err != nil {
			return err
		}
	}
	channel, err := d.addChannel(address, p.Pattern, d.event(address, payload))
	if err != nil {
		return err
	}
	switch {
	case event.Match(event.AllSends, p.Pattern):
		d.operation("send", "send", channel, "")
		if area := strings.TrimPrefix(address, "cytube.send."); strings.Contains(area, ".") {
			address = event.RequestSubject("channel", area)
			ask, err := d.addChannel(address, address, d.event(address, payload))
			if err != nil {
				return err
			}
			d.operation("send", "request", ask, d.reply(address, "Delivery"))
		}
	case event.Match(event.AllDatabase, p.Pattern):
		d.operation("send", "request", channel, d.reply(address, p.Type.Name()+"Reply"))
	case strings.HasPrefix(address, "plugin.{name}.request"):
		d.operation("receive", "answer", channel, d.reply(address, "Reply"))
		d.operation("send", "request", channel, d.reply(address, "Reply"))
	default:
		if strings.HasPrefix(address, "plugin.{name}.event") {
			d.operation("send", "send", channel, "")
		}
		d.operation("receive", "receive", channel, "")
	}
	return nil
}

// addressOf returns the address of a channel: a pattern with names for its wildcards.
func addressOf(pattern string) string {
	parts := strings.Split(pattern, ".")
	for i, part := range parts {
		switch {
		case part == "*" && parts[i-1] == "plugin":
			parts[i] = "{name}"
		case part == "*" && parts[i-1] == "moderation":
			parts[i] = "{action}"
		case part == "*":
			parts[i] = "{channel}"
		case part == ">" && parts[i-1] == "event":
			parts[i] = "{type}"
		case part == ">":
			parts[i] = "{action}"
		}
	}
	return strings.Join(parts, ".")
}

// idOf returns the key of a channel or message.
func idOf(address string) string {
	return strings.NewReplacer(".", "_", "{", "", "}", "", "$", "").Replace(address)
}

func (d *document) addChannel(address, pattern, message string) (id string, err error) {
	id = idOf(address)
	channel := object{"address": address, "messages": object{message: ref("messages", message)}}
	if pattern != "" {
		found, err := streams.Overlapping(pattern)
		if err != nil {
			return "", err
		}
		for stream := range found {
			channel["x-stream"] = stream
		}
	}
	for part := range strings.SplitSeq(address, ".") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			if channel["parameters"] == nil {
				channel["parameters"] = object{}
			}
			name = strings.TrimSuffix(name, "}")
			channel["parameters"].(object)[name] = ref("parameters", name)
		}
	}
	d.channels[id] = channel
	return id, nil
}

// event describes the messages of an address, whose body is an envelope.
func (d *document) event(address, payload string) string {
	id := idOf(address)
	subject := object{"type": "string"}
	if !strings.Contains(address, "{") {
		subject["const"] = address
	}
	d.payloads[id] = payload
	d.messages[id] = object{
		"name": address, "headers": ref("schemas", "Headers"),
		"payload": object{"allOf": []any{ref("schemas", "Envelope"), object{"type": "object", "properties": object{
			"subject": subject, "data": ref("schemas", payload),
		}}}},
	}
	return id
}

// reply describes the channel of replies to an address. It has no address of its own: a
// reply goes to the requester's inbox.
func (d *document) reply(address, payload string) (channel string) {
	id := idOf(address) + "_reply"
	d.messages[id] = object{"name": address + " reply", "payload": object{"oneOf": []any{ref("schemas", payload), ref("schemas", "ErrorReply")}}}
	d.channels[id] = object{"address": nil, "messages": object{id: ref("messages", id)}}
	return id
}

func (d *document) operation(action, verb, channel, reply string) {
	o := object{"action": action, "channel": object{"$ref": "#/channels/" + channel}}
	if reply != "" {
		o["reply"] = object{"channel": object{"$ref": "#/channels/" + reply}}
	}
	d.operations[verb+"_"+channel] = o
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// encode returns the description as JSON.
func (d *document) encode() ([]byte, error) {
	parameters := object{}
	for name, text := range map[string]string{
		"name": "A plugin's name", "type": "The type of an event of the plugin's own", "action": "What was done or is asked for",
		"channel": "A CyTube channel, in lower case", "key": "A plugin, or PLUGIN.CHANNEL",
	} {
		parameters[name] = object{"description": text}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(object{
		"asyncapi": "3.0.0",
		"info": object{
			"title": "Rosey's event contract", "version": event.ContractVersion + ".0", "license": object{"name": "Apache-2.0"},
			"description": "What a plugin sends and receives over NATS. docs/contract.md explains it. A body without both `subject` and `data` is a bare payload. Generated by internal/asyncapi.",
		},
		"defaultContentType": "application/json",
		"channels":           d.channels,
		"operations":         d.operations,
		"components":         object{"schemas": d.schemas, "messages": d.messages, "parameters": parameters},
	})
	return b.Bytes(), err
}

// names returns the names of the schemas, sorted.
func (d *document) names() []string { return slices.Sorted(maps.Keys(d.schemas)) }
