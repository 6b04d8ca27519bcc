/** A failure with one of the contract's error codes. From a command's handler those of `answers` are told to the user. */
export class RoseyError extends Error {
  constructor(readonly code: string, message: string, readonly details: Record<string, unknown> = {}) {
    super(message);
    this.name = "RoseyError";
  }
}

/** The user did something wrong: say what to do next. */
export const invalid = (message: string) => new RoseyError("INVALID_INPUT", message);

/** An error that no further attempt can mend: the event is dead-lettered at once. */
export class Permanent extends RoseyError {
  constructor(message: string, code = "INVALID_INPUT") {
    super(code, message);
  }
}

/** An attempt that took longer than it may. */
export class TooLate extends RoseyError {}

/** Codes of errors that answer a command. */
export const answers = ["INVALID_INPUT", "RECORD_NOT_FOUND", "PERMISSION_DENIED", "PLUGIN_ERROR"];

export const codeOf = (err: unknown) => (err instanceof RoseyError ? err.code : "PLUGIN_ERROR");

export const textOf = (err: unknown) => (err instanceof Error ? err.message : String(err)).slice(0, 4000);
