/** Talks to `disk-child.ts`. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { childScript } from '../support/child-scripts.ts'

/** One answer of the child. */
export type Answer = Readonly<Record<string, unknown>>

/** A running child. */
export type DiskChild = {
  readonly pid: number
  readonly stdin: ChildProcessWithoutNullStreams['stdin']
  /** The next line it tells, or how it ended. */
  next(): Promise<Answer>
  /** Kills it and waits until it is gone. */
  kill(): Promise<void>
}

/** Starts the child, through a shell command that is put in front where one is given. */
export function diskChild(words: readonly string[], inFront = ''): DiskChild {
  const command = [process.execPath, childScript('test/files/disk-child.ts'), ...words]
  const child = inFront === '' ? spawn(command[0] as string, command.slice(1)) : spawnAfter(inFront, command)
  let complaints = ''
  child.stderr.on('data', text => {
    complaints += text
  })
  const ended = once(child, 'exit').then(([code, signal]) => ({ ended: code ?? signal, complaints }))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  onTestFinished(kill)
  return {
    pid: child.pid as number,
    stdin: child.stdin,
    kill,
    next: async () => {
      const line = await lines.next()
      return line.done === true ? await ended : (JSON.parse(line.value) as Answer)
    },
  }
}

/** All that a child tells before it ends, by the name of each answer. */
export async function answersOf(child: DiskChild): Promise<Record<string, Answer>> {
  const answers: Record<string, Answer> = {}
  for (let answer = await child.next(); answer.ended === undefined; answer = await child.next()) {
    answers[String(answer.name)] = answer
  }
  return answers
}

function spawnAfter(inFront: string, command: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn('/bin/sh', ['-c', `${inFront}; exec "$@"`, 'sh', ...command])
}
