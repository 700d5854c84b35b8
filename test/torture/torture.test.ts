/** Torture and soak themselves: a short run is clean, and a planted bug turns it red. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { childScript } from '../support/child-scripts.ts'
import type { Trend } from './curve.ts'

/** What `run.ts` prints with `--json`. */
type Tortured = { events: Record<string, number>; acknowledgements: number; losses: number; findings: string[] }

async function run(program: 'run' | 'soak', ...args: string[]): Promise<{ code: number; stdout: string }> {
  const script = childScript(`test/torture/${program}.ts`)
  const child = spawn(process.execPath, [script, '--json', ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { code: code as number, stdout }
}

it('processes that are killed for ten seconds lose nothing', { timeout: 240_000 }, async () => {
  const { code, stdout } = await run('run', '--minutes', '0.16', '--seed', '1', '--only', 'kills')
  const { events, acknowledgements, findings } = JSON.parse(stdout) as Tortured
  expect(findings).toEqual([])
  expect(code).toBe(0)
  expect(events['SIGKILL while it worked']).toBeGreaterThan(0)
  expect(acknowledgements).toBeGreaterThan(0)
})

it('a planted bug, sends that change places, is found', { timeout: 240_000 }, async () => {
  const options = ['--minutes', '1', '--seed', '1', '--only', 'kills', '--planted', 'swapped-group']
  const { code, stdout } = await run('run', ...options)
  expect((JSON.parse(stdout) as Tortured).findings).not.toEqual([])
  expect(code).toBe(1)
})

it('a soak that leaks is red, and says where', { timeout: 120_000 }, async () => {
  const { code, stdout } = await run('soak', '--minutes', '0.1', '--seed', '1', '--planted', 'leak')
  const { trends } = JSON.parse(stdout) as { trends: Trend[] }
  expect(trends.find(trend => trend.measure === 'external')).toMatchObject({ isBounded: false })
  expect(code).toBe(1)
})
