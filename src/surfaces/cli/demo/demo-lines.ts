/** What the processes of the demo tell their parent: one JSON line on stdout for each thing that has happened. */
import { writeSync } from 'node:fs'

/** The group that reads the flights. */
export const FLIGHTS_GROUP = 'departure-board'

/** A flight was acknowledged: it is on the device. */
export type ProducedLine = { readonly flight: number; readonly physicalOffset: number; readonly durability: string }

/** A flight was handled, or a consumer broke down while it had this one. */
export type ConsumedLine =
  | {
      readonly consumer: number
      readonly flight: number
      readonly airport: string
      readonly queueId: number
      readonly queueOffset: number
      readonly attempt: number
    }
  | { readonly broken: number; readonly flight: number }

const STDOUT = 1

/** Prints a line. It is in the pipe when this returns, also when the process is killed right after. */
export function say<L extends object>(line: L): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let at = 0; at < bytes.length; ) at += writeWaiting(bytes, at)
}

function writeWaiting(bytes: Buffer, at: number): number {
  for (;;) {
    try {
      return writeSync(STDOUT, bytes, at)
    } catch (error) {
      // A full pipe: the parent is behind. It reads on by itself.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}
