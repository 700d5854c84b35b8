/** Opens folders whose small files hold made-up text: they open, or refuse with a typed error, and close again. */
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { SimulatedDisk } from '../../src/testing/testing.ts'
import { ManualClock } from '../../src/testing/testing.ts'
import { DIR, OPENED_MS, optionsOn, ownStore } from '../crash/bad-bytes/full-store.ts'
import type { Decoder } from './decoders.ts'

/** A folder to damage, and its small files. */
export type Folder = { readonly disk: SimulatedDisk; readonly names: readonly string[] }

export async function folderToFuzz(): Promise<Folder> {
  const disk = await ownStore()
  const names = disk.paths().map(path => path.slice(DIR.length + 1))
  return { disk, names: names.filter(name => /^(?:config|pocketmq|checkpoint)/.test(name)) }
}

/** As a decoder: where inputs for a file come from. */
export function fileOf({ disk }: Folder, name: string): Decoder {
  return { isText: name.includes('.json'), sound: [disk.contentOf(`${DIR}/${name}`)], decode: () => undefined }
}

/** Opens a copy in which the file holds `bytes`, sends a message, and closes it. @throws what that throws */
export async function openWith({ disk }: Folder, name: string, bytes: Buffer): Promise<void> {
  const copy = disk.kill()
  copy.place(`${DIR}/${name}`, bytes)
  const mq = await PocketMQ.open(DIR, optionsOn(copy, new ManualClock(OPENED_MS)))
  try {
    await mq.producer().send({ topic: 'fuzzed', body: 'still works' })
  } finally {
    await mq.close({ drainMs: 0 })
  }
  if (copy.openFiles > 0) throw new Error(`${copy.openFiles} files stay open`)
}
