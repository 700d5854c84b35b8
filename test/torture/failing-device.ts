/** Devices that turn read-only or fail under a running queue: a typed error, and what was on the device is there after repair. */
import { join } from 'node:path'
import { CarriedExt4, Ext4, FAILURES, noFailure } from './devices.ts'
import type { FolderTorture } from './folder.ts'
import { TortureFolder } from './folder.ts'

const LIVES_MS_MAX = 400
const FAILED_MS = 300
const EVENT_ERRORS = /^((READ_ONLY|IO|STORE_FAILED)( EROFS| EIO)?|INVALID_RECEIPT_HANDLE|TRANSACTION_SETTLED)$/

/** Takes the device from a folder once; afterwards it is mended and the folder drained. */
export async function failingFolder({ home, seed, io, planted, tally }: FolderTorture): Promise<void> {
  const how = FAILURES[seed % FAILURES.length] as (typeof FAILURES)[number]
  const reason = noFailure(how)
  if (reason !== undefined) {
    if (!tally.skipped.includes(`${how}: ${reason}`)) tally.skipped.push(`${how}: ${reason}`)
    return
  }
  const device = how === 'device failed' ? await CarriedExt4.create(home) : await Ext4.create(home)
  const dir = join(device.folder, 'store')
  const folder = new TortureFolder({ dir, outside: join(home, 'outside'), seed, io, planted })
  const life = folder.begin({ isProducing: true, isConsuming: true })
  await life.says(/^O /m)
  await life.lives(folder.random.below(LIVES_MS_MAX))
  const beforeBytes = life.said().length
  await device.fail()
  const isTold = await life.says(/^! /m, beforeBytes)
  await life.lives(FAILED_MS)
  tally.count(how)
  const { end } = life
  if (end !== undefined) tally.ended(how, `io ${io} ended by ${end.signal ?? `exit ${end.code}`}`)
  // A device error under a mapped page is a SIGBUS: nobody can make it an error.
  const mayEnd = io === 'mmap' && end?.signal === 'SIGBUS'
  if (end !== undefined && !mayEnd)
    folder.complain(`ended by itself (${end.signal ?? end.code}): ${await life.errors()}`)
  else if (end === undefined && !isTold) folder.complain(`nobody noticed: ${how}`)
  await life.kill()
  const said = life.said()
  await device.repair()
  const ledger = await folder.drainImage(dir, said)
  for (const error of ledger.errors.keys()) {
    if (!EVENT_ERRORS.test(error)) tally.find(folder.name, [`${how} gave ${error}`])
  }
  tally.find(folder.name, folder.ledger.findings)
  tally.take(ledger, folder.name, how)
  await device.unmount()
}
