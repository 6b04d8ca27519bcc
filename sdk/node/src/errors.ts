/** The contract's error codes. */
export type Code =
  | "RECORD_NOT_FOUND" | "INVALID_INPUT" | "PERMISSION_DENIED" | "TIMEOUT" | "NATS_ERROR"
  | "DATABASE_ERROR" | "PLUGIN_ERROR" | "RATE_LIMITED" | "LIMIT_EXCEEDED";

/** A failure with a code. From a command's handler those of `answers` are told to the user. */
export class RoseyError extends Error {
  constructor(readonly code: Code | string, message: string, readonly details: Record<string, unknown> = {}) {
    super(message);
    this.name = "RoseyError";
  }
}

/** The user did something wrong: say what to do next. */
export const invalid = (message: string) => new RoseyError("INVALID_INPUT", message);

/** An error that no further attempt can mend: the event is dead-lettered at once. */
export class Permanent extends RoseyError {
  constructor(message: string, code: Code = "INVALID_INPUT") {
    super(code, message);
  }
}

/** Codes of errors that answer a command. */
export const answers = ["INVALID_INPUT", "RECORD_NOT_FOUND", "PERMISSION_DENIED", "PLUGIN_ERROR"];

export const codeOf = (err: unknown) => (err instanceof RoseyError ? err.code : "PLUGIN_ERROR");

export const textOf = (err: unknown) => (err instanceof Error ? err.message : String(err)).slice(0, 4000);
