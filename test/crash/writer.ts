/** A writer process as the tests see it: started, killed at a moment of their choice, and what it had said by then. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { RecoveryReport } from '../../src/store/message-store.ts'
import { childScript } from '../support/child-scripts.ts'
import { QUEUES } from './workload.ts'
import type { WriterOrders } from './writer-child.ts'

/** When a writer is killed. */
export type Kill =
  /** So long after it was started: perhaps while it recovers. */
  | { readonly afterStartMs: number }
  /** So long after it said that it had opened. */
  | { readonly afterOpenMs: number }
  /** Never: it ends by itself. */
  | 'never'

/** What a writer has left behind. */
export type Run = {
  /** Undefined where it was killed before it had opened. */
  readonly opened?: {
    readonly maxima: readonly number[]
    readonly complaints: readonly string[]
    readonly recovery: RecoveryReport
  }
  /** For each queue, one past the highest queueOffset it acknowledged; 0 for none. */
  readonly acknowledged: readonly number[]
  /** How many acknowledgements that were. */
  readonly count: number
  readonly exitCode: number | null
  readonly errors: string
}

/** Starts a writer, kills it, and waits until it is gone. */
export async function runWriter(orders: WriterOrders, kill: Kill): Promise<Run> {
  const child = spawn(process.execPath, [childScript('test/crash/writer-child.ts'), JSON.stringify(orders)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const errors = text(child.stderr)
  let output = ''
  let timer: NodeJS.Timeout | undefined
  const killIn = (ms: number): void => {
    timer = setTimeout(() => child.kill('SIGKILL'), ms)
  }
  if (kill !== 'never' && 'afterStartMs' in kill) killIn(kill.afterStartMs)
  child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
    if (output === '' && kill !== 'never' && 'afterOpenMs' in kill) killIn(kill.afterOpenMs)
    output += chunk
  })
  const [exitCode] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return { ...heard(output), exitCode, errors: await errors }
}

function heard(output: string): Pick<Run, 'opened' | 'acknowledged' | 'count'> {
  // The last line may be cut off: it was not said.
  const [first, ...lines] = output.split('\n').slice(0, -1)
  const acknowledged = QUEUES.map(() => 0)
  for (const line of lines) {
    const [queue = 0, queueOffset = 0] = line.split(' ').map(Number)
    acknowledged[queue] = Math.max(acknowledged[queue] ?? 0, queueOffset + 1)
  }
  return { ...(first === undefined ? {} : { opened: JSON.parse(first) }), acknowledged, count: lines.length }
}
