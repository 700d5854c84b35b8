/** Was: a reader of a folder whose writer was killed inside an append unit showed the half of it that was there. */
import { cpSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { PutRecord } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const record = (body: string): PutRecord => ({ topic: 'orders', queueId: 0, body: Buffer.from(body) })

/** The bodies a reader sees, asked for twice: what is read also looks for what was appended since. */
async function readBodies(store: MessageStore): Promise<string[]> {
  const request = { topic: 'orders', queueId: 0, queueOffset: 0, maxMessages: 32 }
  await store.read(request)
  return (await store.read(request)).messages.map(message => message.body.toString())
}

it('a unit is shown whole or not at all, and as soon as the rest of it is there', async () => {
  const folder = temporaryFolder()
  const [dir, copy] = [join(folder, 'store'), join(folder, 'copy')]
  const owner = await MessageStore.open(dir, { logger: silentLogger, commitLogSegmentBytes: 65_536 })
  owner.put(record('before'))
  const unit = owner.putAll([record('one'), record('two'), record('three')])
  await owner.written(owner.watermarks.appended)
  cpSync(dir, copy, { recursive: true })
  await owner.close()

  const third = unit[2] as (typeof unit)[number]
  const log = await open(join(copy, 'commitlog/00000000000000000000'), 'r+')
  const bytes = Buffer.alloc(third.sizeBytes)
  await log.read(bytes, 0, bytes.length, third.physicalOffset)
  await log.write(Buffer.alloc(bytes.length), 0, bytes.length, third.physicalOffset)
  const reader = await MessageStore.openReadOnly(copy, { logger: silentLogger })
  expect(await readBodies(reader)).toEqual(['before'])
  await log.write(bytes, 0, bytes.length, third.physicalOffset)
  await log.close()
  expect(await readBodies(reader)).toEqual(['before', 'one', 'two', 'three'])
  await reader.close()
})
