package event

// Personal is the name of a person or what one wrote, as an attribute of a log record. The
// loggers of package telemetry write it only at level debug, as nothing erases it from a
// log.
type Personal string

// Loggable returns an error as an attribute of a log record. It is a Personal, as it may
// quote what somebody typed, unless its code says that NATS failed or did not answer.
func Loggable(err error) any {
	switch CodeOf(err) {
	case NATSError, Timeout:
		return err
	}
	return Personal(err.Error())
}
