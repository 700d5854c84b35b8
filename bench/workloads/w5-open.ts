/** W5: opening 1 GiB again: closed cleanly, killed while appending flat out, and with nothing left but the log. */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Case, Started } from '../support/case.ts'
import type { Outcome } from '../support/child.ts'
import { Child } from '../support/child.ts'
import type { Request } from '../support/protocol.ts'
import * as at from './entries.ts'

export const W5_CLOSED = 'W5 open 1 GiB, closed cleanly'
export const W5_CLOSED_SMALL = 'W5 open 64 MiB, closed cleanly'
export const W5_KILLED = 'W5 open 1 GiB, killed while appending'
export const W5_LOST = 'W5 open 1 GiB, only the log left'

const GIB = 2 ** 30
/** Appends go on so long before the process is killed. */
const APPENDING_MS = 700

/** One process fills the folder and ends, or is killed; another one opens it. */
async function reopen({
  program,
  request,
}: {
  readonly program: Started
  readonly request: Request
}): Promise<Outcome> {
  const filling = new Child(program)
  const filled = await filling.ask({ ...request, workload: 'fill' })
  if (request.settings.ends === 'killed') {
    await sleep(APPENDING_MS)
    await filling.kill()
  } else {
    await filling.end()
    // What is still on its way to the device is not part of opening.
    spawnSync('sync')
  }
  if (!('operations' in filled)) return filled
  const opening = new Child(program)
  const answer = await opening.ask({ ...request, workload: 'open' })
  await opening.end()
  return answer
}

const opened = {
  workload: 'open',
  durability: 'memory',
  size: 1024,
  outstanding: 0,
  figure: { name: 'openMs', unit: 'ms' },
  measure: reopen,
} as const
const peers = [at.ROCKETMQ_1, at.CHRONICLE, at.LMDB, at.LEVEL]

export const W5: readonly Case[] = [
  {
    ...opened,
    id: W5_CLOSED,
    settings: { bytes: GIB, ends: 'closed' },
    entries: at.entries(at.OURS, at.OURS_MMAP, ...peers),
  },
  { ...opened, id: W5_CLOSED_SMALL, settings: { bytes: GIB / 16, ends: 'closed' }, entries: at.entries(at.OURS) },
  {
    ...opened,
    id: W5_KILLED,
    settings: { bytes: GIB, ends: 'killed' },
    entries: at.entries(at.OURS, at.OURS_MMAP, ...peers),
  },
  {
    ...opened,
    id: W5_LOST,
    settings: { bytes: GIB, ends: 'closed', missing: 'all but the log' },
    entries: at.entries(at.OURS),
  },
]
