import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { childScript } from '../support/child-scripts.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

type Child = {
  readonly process: ChildProcess
  /** Resolves when it has said that. */
  readonly says: (line: string) => Promise<void>
  readonly said: string[]
  readonly ended: Promise<unknown[]>
}

function start(dir: string, task: 'drain' | 'hang' | 'close'): Child {
  const child = spawn(process.execPath, [childScript('test/messaging/signals-child.ts'), dir, task], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said: string[] = []
  const lines = createInterface(child.stdout)
  lines.on('line', line => said.push(line))
  const says = async (wanted: string): Promise<void> => {
    while (!said.includes(wanted)) await once(lines, 'line')
  }
  return { process: child, says, said, ended: once(child, 'exit') }
}

async function lagOf(dir: string): Promise<number> {
  await using mq = await PocketMQ.openReadOnly(dir)
  expect(mq.recovery.clean).toBe(true)
  return (await mq.admin.groupProgress('billing')).lagMessages
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  'with handleSignals, %s drains, closes cleanly and ends the process',
  async signal => {
    const dir = temporaryFolder()
    const child = start(dir, 'drain')
    await child.says('handling')
    child.process.kill(signal)
    await child.says('closing')
    expect(child.said).not.toContain('handled')
    child.process.stdin?.write('end\n')
    expect(await child.ended).toEqual([null, signal])
    expect(child.said).toEqual(['handling', 'closing', 'handled'])
    expect(await lagOf(dir)).toBe(0)
  },
  60_000,
)

test('a second signal ends the process at once, however long a handler takes', async () => {
  const child = start(temporaryFolder(), 'hang')
  await child.says('handling')
  child.process.kill('SIGTERM')
  await child.says('closing')
  child.process.kill('SIGINT')
  expect(await child.ended).toEqual([null, 'SIGINT'])
}, 60_000)

test('close leaves nothing behind that keeps the process alive', async () => {
  const dir = temporaryFolder()
  const child = start(dir, 'close')
  child.process.stdin?.end()
  expect(await child.ended).toEqual([0, null])
  expect(child.said.at(-1)).toBe('[]')
  expect(await lagOf(dir)).toBe(0)
}, 60_000)
