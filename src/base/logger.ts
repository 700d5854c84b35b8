/** Where warnings go. The shape is pino's, so that a user's own logger fits as it is. */

/** A user's logger: pino, or anything of its shape. */
export type Logger = {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Warnings and errors to the console, the rest nowhere. */
export const consoleLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => console.warn(`pocketmq: ${message}`, fields),
  error: (fields, message) => console.error(`pocketmq: ${message}`, fields),
}

/** Says nothing. */
export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
