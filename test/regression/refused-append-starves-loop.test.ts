/**
 * Was: a copy for a retry is larger than its message, and who put it waited for the message's size. Where only that fitted, the
 * wait was over at once, again and again, in one turn of the event loop: the next segment was never ready, and nothing went on.
 * The same with the bounds of what is not flushed and not dispatched: no flush was ever heard of. And the same with who waited for
 * more than he appends, which did not fit in what was left of the segment: what was left was never prepared.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { nextTurn } from '../../src/base/turns.ts'
import type { FileSystem, MappedFile } from '../../src/files/file-system.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { SimulatedDisk } from '../../src/testing/testing.ts'
import { IO_MODES } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const PUTS = 400
const SEGMENT_BYTES = 64 * 1024
const PIECE_BYTES = 4096
const RECORD = { topic: 'orders', queueId: 0, body: Buffer.alloc(2000, 'b') }

/** Appends, and answers how often it was refused, waiting for so many bytes each time. */
async function refusals(store: MessageStore, bytes: number): Promise<number> {
  for (let count = 0; count < 100; count++) {
    try {
      store.put(RECORD)
      return count
    } catch {
      await store.admitted(bytes)
    }
  }
  return Number.POSITIVE_INFINITY
}

/** The most often that one of many appends was refused. */
async function mostRefusals(store: MessageStore, bytesOf: (i: number) => number = () => 1): Promise<number> {
  let most = 0
  for (let i = 0; i < PUTS; i++) most = Math.max(most, await refusals(store, bytesOf(i)))
  return most
}

it.each(IO_MODES)('io %s: after a refused append, `admitted` waits for what was refused', async io => {
  const store = await MessageStore.open(temporaryFolder(), {
    logger: silentLogger,
    io,
    commitLogSegmentBytes: SEGMENT_BYTES,
  })
  expect(await mostRefusals(store)).toBeLessThan(5)
  await store.close()
})

it.each([
  ['unflushedBytesMax', { unflushedBytesMax: 64 * 1024, flushIntervalMs: 5 }],
  ['undispatchedBytesMax', { undispatchedBytesMax: 64 * 1024 }],
])('the same where %s refused it', async (_, bounds) => {
  const store = await MessageStore.open(temporaryFolder(), { logger: silentLogger, ...bounds })
  const most = await mostRefusals(store)
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(5)
  await store.close()
})

it.each(IO_MODES)('io %s: who waits for more than a segment holds waits for all of one', async io => {
  const store = await MessageStore.open(temporaryFolder(), {
    logger: silentLogger,
    io,
    commitLogSegmentBytes: SEGMENT_BYTES,
  })
  for (let i = 0; i < PUTS; i++) {
    await store.admitted(2 * SEGMENT_BYTES)
    store.put(RECORD)
  }
  expect(store.queueRange('orders', 0)).toBeDefined()
  await store.close()
})

it('the same where more is waited for than what is left of a segment that is prepared piece by piece', async () => {
  const store = await MessageStore.open('/store', {
    logger: silentLogger,
    fileSystem: piecemeal(new SimulatedDisk()),
    commitLogSegmentBytes: SEGMENT_BYTES,
  })
  const most = await mostRefusals(store, i => (i < 5 ? 1 : SEGMENT_BYTES - 5000))
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(5)
  await store.close()
})

/** Like a mapping whose zeros are written ahead: of each segment one more piece can be appended to in each turn that somebody asks in. */
function piecemeal(fileSystem: FileSystem): FileSystem {
  return new Proxy(fileSystem, {
    get: (target, name) => {
      if (name === 'canRollSync') return false
      if (name !== 'openSegment') return bound(target, name)
      return async (...given: Parameters<FileSystem['openSegment']>) => inPieces(await target.openSegment(...given))
    },
  })
}

function inPieces(file: MappedFile): MappedFile {
  let preparedEnd = file.appended
  let piece: Promise<void> | undefined
  const ask = (): Promise<void> => {
    piece ??= nextTurn().then(() => {
      preparedEnd = Math.min(file.lengthBytes, preparedEnd + PIECE_BYTES)
      piece = undefined
    })
    return piece
  }
  const reserve = (bytes: number): number => {
    if (file.appended + bytes <= preparedEnd) return file.reserve(bytes)
    void ask()
    return -1
  }
  const prepared = async (bytes: number): Promise<void> => {
    for (const end = file.appended + bytes; preparedEnd < end; ) await ask()
  }
  return new Proxy(file, { get: (target, name) => Reflect.get({ reserve, prepared }, name) ?? bound(target, name) })
}

function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target)
  return typeof value === 'function' ? value.bind(target) : value
}
