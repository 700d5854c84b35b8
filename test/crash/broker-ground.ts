/** The folder of a broker that was closed, on a simulated disk: what power cuts are tried on, and what RocketMQ reads there. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ConsumerOffset } from '../../src/codec/consumer-offset-json.ts'
import { decodeConsumerOffsets } from '../../src/codec/consumer-offset-json.ts'
import { loadFolder } from '../../src/testing/copy-folder.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import type { MessageLine } from '../golden/golden-stores.ts'
import { expected, unpack } from '../golden/golden-stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Where the folder lies on the disk. */
export const DIR = '/store'
/** What was delayed and not delivered yet. */
const PENDING = 5
/** A moment after the broker was stopped. */
const STOPPED_MS = 1_795_242_630_000

/** A folder to begin with, and what has to stay in it. */
export type BrokersFolder = {
  /** A disk of its own for each workload; all share what none of them changes. */
  readonly diskOf: (seed: number) => SimulatedDisk
  readonly nowMs: number
  readonly messages: readonly MessageLine[]
  /** What its groups had committed. */
  readonly committed: readonly ConsumerOffset[]
  /** How many messages wait for their time, longer than any workload takes. */
  readonly pending: number
}

/** A wheel takes 38 MB, and a tenth of a second to read: without it what waits is looked for in the log. */
const WHEEL = ['timerwheel', 'timerlog', 'config/timercheck'] as const

/** Unpacks the golden store `g4`, which a broker closed; all of it but its timer wheel. */
export async function brokersFolder(): Promise<BrokersFolder> {
  const disk = new SimulatedDisk({ writeBackChance: 0 })
  const folder = unpack('g4', temporaryFolder())
  for (const name of WHEEL) rmSync(join(folder, name), { recursive: true })
  await loadFolder(disk, folder, DIR)
  const json = disk.contentOf(`${DIR}/config/consumerOffset.json`).toString()
  return {
    diskOf: seed => disk.powerCut(seed),
    nowMs: STOPPED_MS,
    messages: expected('g4').messages,
    committed: decodeConsumerOffsets(json).offsets,
    pending: PENDING,
  }
}
