/**
 * What a contestant is asked and answers: one JSON line each way, over stdin and stdout of a process of its own.
 * The Java peers speak the same (peers/src). Everything is measured inside the process, after a warm-up.
 */
import { createInterface } from 'node:readline'

/** One measurement. */
export type Request = {
  /** What to do: append, read, queue, ... ; each contestant knows some. */
  readonly workload: string
  /** A folder for this measurement alone; it exists and is empty, but where `workload` is about an old one. */
  readonly folder: string
  /** Bytes of a body. */
  readonly size: number
  /** 0: synchronous calls, one by one. 1: each awaited before the next. n: so many awaited at once. */
  readonly outstanding: number
  readonly seconds: number
  readonly warmUpSeconds: number
  /** When an append counts: in the page cache, or on the device. */
  readonly durability: 'memory' | 'disk'
  /** `stat` file of the block device below the folder (/sys/dev/block/.../stat), where there is one. */
  readonly deviceStat?: string
  /** What a contestant is set to beyond that: its own words. */
  readonly settings: Settings
}

export type Settings = Readonly<Record<string, string | number | boolean>>

/** Microseconds from the call until it counted. */
export type Latencies = { readonly p50: number; readonly p99: number; readonly p999: number; readonly max: number }

/** What was measured. */
export type Answer = {
  readonly operations: number
  readonly seconds: number
  /** Body bytes of these operations. */
  readonly bytes: number
  /** What the whole machine wrote to the device in this time; undefined where that cannot be known. */
  readonly deviceBytes?: number
  readonly latencies?: Latencies
  /** Further figures of this workload. */
  readonly figures?: Readonly<Record<string, number>>
  /** How the contestant was set: versions, flush mode, what differs from its defaults. */
  readonly configuration?: string
}

/** Answers requests for ever; a workload that is not in the table is answered as unsupported. */
export async function serve(workloads: Readonly<Record<string, (request: Request) => Promise<Answer>>>): Promise<void> {
  // Whoever asks is gone, or has all that was asked for.
  process.stdin.once('end', () => process.exit(0))
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request
    const work = workloads[request.workload]
    const answer =
      work === undefined ? { unsupported: `has no '${request.workload}'` } : await work(request).catch(failed)
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
}

/** A contestant says that what is asked is not among what it promises. */
export class Unsupported extends Error {}

function failed(error: unknown): { readonly unsupported: string } | { readonly failed: string } {
  if (error instanceof Unsupported) return { unsupported: error.message }
  return { failed: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}
