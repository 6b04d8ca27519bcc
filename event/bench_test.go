package event

import "testing"

func benchEnvelope(b *testing.B) (Envelope, []byte) {
	b.Helper()
	e, err := New(SubjectChat, Chat{User: "alice", Message: "!roll 2d6+3 and some more words to say", Channel: "main", Rank: 2, Time: 1732645200000})
	if err != nil {
		b.Fatal(err)
	}
	e.CorrelationID = NewCorrelationID()
	e.Metadata = map[string]any{MetaSource: "cytube", MetaCausation: "CYTUBE:42"}
	body, err := e.MarshalJSON()
	if err != nil {
		b.Fatal(err)
	}
	return e, body
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(SubjectChat, Chat{User: "alice", Message: "!roll 2d6+3", Channel: "main", Rank: 2, Time: 1732645200000}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	e, _ := benchEnvelope(b)
	for b.Loop() {
		if _, err := e.MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	_, body := benchEnvelope(b)
	for b.Loop() {
		if _, err := Decode(SubjectChat, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	e, _ := benchEnvelope(b)
	for b.Loop() {
		if err := e.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
