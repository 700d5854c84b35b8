/**
 * A device that is full, fails or lies, at every moment of a messaging workload: producers, batches, delays, recalls, transactions,
 * retries, dead letters, acknowledgements, topics and groups. What was acknowledged is held against what is there afterwards.
 */
import { describe, expect, it } from 'vitest'
import { PocketMQError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import type { DiskOperation, Fault } from '../../src/testing/fault-rules.ts'
import type { FaultyRun } from './faulty-workload.ts'
import { FaultyWorkload } from './faulty-workload.ts'
import { checkQueueImage } from './queue-check.ts'
import { DIR } from './queue-workload.ts'

const TIMEOUT_MS = 240_000
const SEED = Number(process.env.SEED ?? 4)
/** Flushes of the log in a run, about. */
const LOST_FLUSHES = 12

type Refusal = { readonly operation: DiskOperation; readonly fault: Fault; readonly codes: readonly string[] }

const FULL = { fault: { errno: 'ENOSPC' }, codes: ['POCKETMQ_DISK_FULL'] } as const
const NO_DESCRIPTOR = { fault: { errno: 'EMFILE' }, codes: ['POCKETMQ_IO'] } as const

async function countOfFlushes(): Promise<number> {
  const workload = new FaultyWorkload(SEED)
  await workload.run()
  return workload.disk.flushes
}

/** What is missing, too much or wrong after a power cut at the end, and after a close. */
async function complaintsAbout(run: FaultyRun, seed: number): Promise<string[]> {
  const images = [run.image(run.disk.powerCut(seed)), ...(await run.closed())]
  const complaints: string[] = []
  for (const image of images) {
    const found = await checkQueueImage(image, () => undefined).catch((error: Error) => [String(error.stack)])
    complaints.push(...found)
  }
  return complaints
}

/** The device refuses from the nth call on, until it does not any more; consumers go on meanwhile, and writes resume by themselves. */
async function refusing({ operation, fault, codes }: Refusal, nth: number): Promise<string[] | undefined> {
  const workload = new FaultyWorkload(SEED)
  const rule = workload.disk.inject({ operation, nth, times: Number.POSITIVE_INFINITY, fault })
  const run = await workload.run({ onOpenFailure: () => rule.remove() })
  const complaints = run.errors.flatMap(error =>
    error instanceof PocketMQError && codes.includes(error.code) ? [] : [String(error)],
  )
  // Without a descriptor what is not in memory cannot be read.
  if (operation !== 'open') complaints.push(...(await run.reads()))
  const isOver = rule.hits === 0
  rule.remove()
  complaints.push(...(await run.resumes()))
  complaints.push(...(await complaintsAbout(run, nth)))
  return isOver ? undefined : complaints.map(complaint => `${operation} ${nth}: ${complaint}`)
}

/** From every call on, one run each, until a run has no such call. */
async function refusingEach(refusal: Refusal): Promise<{ readonly runs: number; readonly complaints: string[] }> {
  const complaints: string[] = []
  for (let runs = 0; ; runs++) {
    const found = await refusing(refusal, 1 + runs)
    if (found === undefined) return { runs, complaints }
    complaints.push(...found)
  }
}

/** A flush that fails ends the store; what it did not keep was never acknowledged. */
async function failingFlush(nth: number): Promise<string[]> {
  const workload = new FaultyWorkload(SEED)
  workload.disk.inject({ operation: 'flush', nth, fault: { errno: 'EIO' } })
  const run = await workload.run({ onOpenFailure: () => undefined })
  const complaints = run.errors.flatMap(error => (error instanceof PocketMQError ? [] : [String(error)]))
  const image = run.image(run.disk.powerCut(nth))
  complaints.push(...(await checkQueueImage(image, () => undefined).catch((error: Error) => [String(error.stack)])))
  await run.abandon()
  return complaints.map(complaint => `flush ${nth}: ${complaint}`)
}

/** Flushes of the log that were reported and kept nothing, and a power cut: if something is lost, somebody says so. */
async function lostFlush(nth: number): Promise<{ readonly isLost: boolean; readonly isSilent: boolean }> {
  const workload = new FaultyWorkload(SEED)
  workload.disk.inject({
    operation: 'flush',
    path: /\/commitlog\//,
    nth,
    times: Number.POSITIVE_INFINITY,
    fault: { isLost: true },
  })
  const run = await workload.run()
  const disk = run.disk.powerCut(nth)
  await run.abandon()
  const store = await MessageStore.openReadOnly(DIR, { fileSystem: disk.kill(), logger: silentLogger })
  const { findings } = await store.verify()
  await store.close()
  const found = await checkQueueImage(run.image(disk), () => undefined).catch((error: Error) => [String(error.stack)])
  return { isLost: found.length > 0, isSilent: found.length > 0 && findings.length === 0 }
}

describe('PocketMQ on a device', () => {
  it(
    'that is full from any write on: a typed error, nothing acknowledged lost, consumers go on, writes resume by themselves',
    async () => {
      const { runs, complaints } = await refusingEach({ operation: 'write', ...FULL })
      console.log(`a full disk at each of ${runs} writes`)
      expect(complaints).toEqual([])
      expect(runs).toBeGreaterThan(40)
    },
    TIMEOUT_MS,
  )

  it(
    'that has no room for a new or a longer file, from any of them on: the same',
    async () => {
      const { runs, complaints } = await refusingEach({ operation: 'truncate', ...FULL })
      console.log(`a full disk at each of ${runs} allocations`)
      expect(complaints).toEqual([])
      expect(runs).toBeGreaterThan(15)
    },
    TIMEOUT_MS,
  )

  it(
    'and a process without descriptors, from any opening of a file on, for a while: a typed error that passes',
    async () => {
      const { runs, complaints } = await refusingEach({ operation: 'open', ...NO_DESCRIPTOR })
      console.log(`no descriptor at ${runs} openings of a file`)
      expect(complaints).toEqual([])
      expect(runs).toBeGreaterThan(15)
    },
    TIMEOUT_MS,
  )

  it(
    'whose flush fails, whichever it is: what it did not keep was never acknowledged',
    async () => {
      const flushes = await countOfFlushes()
      const complaints: string[] = []
      for (let nth = 1; nth <= flushes; nth++) complaints.push(...(await failingFlush(nth)))
      console.log(`a failure at each of ${flushes} flushes`)
      expect(complaints).toEqual([])
      expect(flushes).toBeGreaterThan(40)
    },
    TIMEOUT_MS,
  )

  it(
    'that reports a flush of the log and keeps nothing: verify names what the power cut after it has taken',
    async () => {
      let lost = 0
      const silent: number[] = []
      for (let nth = 1; nth <= LOST_FLUSHES; nth++) {
        const { isLost, isSilent } = await lostFlush(nth)
        if (isLost) lost++
        if (isSilent) silent.push(nth)
      }
      console.log(`${lost} of ${LOST_FLUSHES} lost flushes of the log cost a message`)
      expect(silent).toEqual([])
      expect(lost).toBeGreaterThan(0)
    },
    TIMEOUT_MS,
  )
})
