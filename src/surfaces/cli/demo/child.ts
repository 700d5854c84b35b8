/** Runs a process of the demo, listens to its lines, and can kill it. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { PocketMQError } from '../../../base/errors.ts'
import { linesOf } from '../input-lines.ts'

/** How a process ended. */
export type Ending = { readonly killed: boolean; readonly exitCode: number | null; readonly lines: number }

/** The ending of this module's own name: `.js` once built. */
const ENDING = import.meta.url.slice(import.meta.url.lastIndexOf('.'))

/**
 * Runs one of the demo's programs until it ends. `onLine` answers true when the process is to be killed with SIGKILL: it
 * dies wherever it is just then. Lines it had said before are still read.
 * @throws IO where it fails by itself
 */
export async function runChild<L>(
  program: 'produce-flights' | 'consume-flights',
  args: readonly (string | number)[],
  onLine: (line: L) => boolean,
): Promise<Ending> {
  const path = fileURLToPath(new URL(`./${program}${ENDING}`, import.meta.url))
  const child = spawn(process.execPath, [...process.execArgv, path, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = endOf(child)
  const complaints = textOf(child)
  let lines = 0
  let killed = false
  for await (const line of linesOf(child.stdout)) {
    const value = parsed<L>(line)
    if (value === undefined) continue
    lines++
    if (onLine(value) && !killed) {
      killed = true
      child.kill('SIGKILL')
    }
  }
  const exitCode = await ended
  if (!killed && exitCode !== 0) {
    throw new PocketMQError('IO', `the demo's process ${program} ended with ${exitCode}: ${await complaints}`, {
      hint: 'Report it with these lines: it is a bug in PocketMQ.',
    })
  }
  return { killed, exitCode, lines }
}

/** A process that is killed in the middle of a line leaves half of one. */
function parsed<L>(line: Buffer): L | undefined {
  return line.at(-1) === 0x7d ? (JSON.parse(line.toString()) as L) : undefined
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', exitCode => resolve(exitCode))
  })
}

async function textOf({ stderr }: ChildProcess): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stderr as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString().slice(-4000)
}
