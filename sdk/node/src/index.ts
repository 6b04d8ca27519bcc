export { Context, type CommandContext } from "./context.js";
export { Collection } from "./database.js";
export { invalid, Permanent, RoseyError } from "./errors.js";
export { Plugin, type CommandOptions, type Options, type Setting } from "./plugin.js";
export * as contract from "./contract.js";
