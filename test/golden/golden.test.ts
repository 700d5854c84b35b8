/** Stores that a real RocketMQ wrote, closed or crashed: PocketMQ reads from them what RocketMQ reads, and changes no byte. */
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { IO_MODES } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import type { Expected, KeyLine, MessageLine, QueueLine, StoreName, TimeLine } from './golden-stores.ts'
import { differences, expected, fingerprint, STORE_NAMES, unpack, VARIANTS, variantText } from './golden-stores.ts'
import { carriersOf, dump, lookUp } from './reading.ts'

const queueKey = ({ topic, queueId }: QueueLine): string => `${topic}/${queueId}`
const messageKey = ({ topic, queueId, queueOffset }: MessageLine): string => `${topic}/${queueId}/${queueOffset}`
const keyKey = ({ topic, key }: KeyLine): string => `${topic}#${key}`
const timeKey = ({ topic, queueId, timestamp }: TimeLine): string => `${topic}/${queueId}@${timestamp}`

/** Read by tests of their own. */
const SPECIAL: ReadonlySet<StoreName> = new Set(['g3b', 'g5b'])

const CASES = STORE_NAMES.filter(name => !SPECIAL.has(name)).flatMap(name =>
  VARIANTS.flatMap(variant => IO_MODES.map(io => ({ name, variant, io, left: variantText(variant) }))),
)

/** The recorded keys, with what RocketMQ's index had lost put back. */
function wholeKeys({ keys }: Expected, messages: readonly MessageLine[]): KeyLine[] {
  return keys.map(line => (line.complete ? line : { ...line, offsets: carriersOf(line, messages) }))
}

describe.each(CASES)('$name $left, io $io', ({ name, variant, io }) => {
  it('reads as RocketMQ reads it: queues, messages, keys, times; and no byte of it changes', async () => {
    const folder = unpack(name, temporaryFolder(), variant)
    const before = fingerprint(folder)
    const wanted = expected(name)
    const { queues, messages, said } = await dump(folder, io)
    expect({ exitCode: said.exitCode, stderr: said.stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(differences(queues, wanted.queues, queueKey)).toEqual([])
    expect(differences(messages, wanted.messages, messageKey)).toEqual([])
    expect([...queues, ...messages].length).toBe(wanted.queues.length + wanted.messages.length)
    const found = await lookUp(folder, io, wanted)
    expect(differences(found.keys, wholeKeys(wanted, messages), keyKey)).toEqual([])
    expect(differences(found.times, wanted.times, timeKey)).toEqual([])
    expect(fingerprint(folder)).toEqual(before)
  })
})

describe.each(IO_MODES)('an owner, io %s', io => {
  it.each(STORE_NAMES.filter(name => !SPECIAL.has(name)))(
    'of %s reads the same, appends, closes, and opens it clean',
    async name => {
      const folder = unpack(name, temporaryFolder())
      const wanted = expected(name)
      const store = await MessageStore.open(folder, { io, logger: silentLogger })
      expect(store.recovery.damaged).toEqual([])
      const put = store.put({ topic: 'Topic_A', queueId: 0, body: Buffer.from('ours'), properties: { KEYS: 'ours' } })
      expect(put.queueOffset).toBe(
        wanted.queues.find(({ topic, queueId }) => topic === 'Topic_A' && queueId === 0)?.max ?? 0,
      )
      await store.close()
      const again = await MessageStore.open(folder, { io, logger: silentLogger })
      expect(again.recovery).toMatchObject({ clean: true, truncatedBytes: 0, redispatched: 0, damaged: [] })
      expect((await again.queryByKey('Topic_A', 'ours')).map(message => message.physicalOffset)).toEqual([
        put.physicalOffset,
      ])
      await again.close()
      const { messages } = await dump(folder, io)
      const theirs = messages.filter(message => message.commitLogOffset !== put.physicalOffset)
      expect(differences(theirs, wanted.messages, messageKey)).toEqual([])
      expect(messages).toHaveLength(wanted.messages.length + 1)
    },
  )
})

describe.each(VARIANTS.flatMap(variant => IO_MODES.map(io => ({ variant, io, left: variantText(variant) }))))(
  'g5b $left, io $io',
  ({ variant, io }) => {
    it('keeps the four good messages behind the damaged one, and says what is damaged', async () => {
      const folder = unpack('g5b', temporaryFolder(), variant)
      const before = fingerprint(folder)
      const wanted = expected('g5b')
      const { queues, messages } = await dump(folder, io)
      // RocketMQ ends at the damaged message: all it reads is here, the four behind it too, and only the damaged one is missing.
      const read = new Map(messages.map(message => [messageKey(message), message]))
      const known = wanted.messages.map(message => read.get(messageKey(message)) ?? {})
      expect(differences(known, wanted.messages, messageKey)).toEqual([])
      expect(messages).toHaveLength(149)
      // The damaged one was the last of its queue: without its queue entry nothing says that it was ever there.
      expect(queues.reduce((sum, { max }) => sum + max, 0)).toBe(variant.consumeQueues ? 150 : 149)
      const found = await lookUp(folder, io, wanted)
      expect(found.store.recovery.damaged).toHaveLength(1)
      const [damaged] = found.store.recovery.damaged
      expect(damaged?.physicalOffset).toBe(44_722)
      expect(messages.filter(message => message.commitLogOffset >= (damaged?.endPhysicalOffset ?? 0))).toHaveLength(4)
      const keys = wanted.keys.map(line => ({ ...line, offsets: carriersOf(line, messages) }))
      expect(differences(found.keys, keys, keyKey)).toEqual([])
      expect(fingerprint(folder)).toEqual(before)
    })
  },
)

describe.each(IO_MODES)('g3b, io %s', io => {
  it('has a topic of inner batches, which are refused by name, and the folder stays as it is', async () => {
    const folder = unpack('g3b', temporaryFolder())
    const before = fingerprint(folder)
    const { said } = await dump(folder, io)
    expect(said.stderr).toContain('Topic_A')
    expect(fingerprint(folder)).toEqual(before)
  })
})

describe('the comparison', () => {
  const wanted = expected('g1').messages

  it('is of more than a thousand messages', () => {
    expect(STORE_NAMES.reduce((sum, name) => sum + expected(name).messages.length, 0)).toBeGreaterThan(1500)
  })

  it('finds a message that is missing, one too much, one twice and one that differs', () => {
    const [first, second, ...rest] = wanted as [MessageLine, MessageLine, ...MessageLine[]]
    expect(differences([first, second, ...rest], wanted, messageKey)).toEqual([])
    expect(differences([second, ...rest], wanted, messageKey)).toEqual([`missing: ${messageKey(first)}`])
    expect(differences([{ ...first, queueOffset: 999 }, ...wanted], wanted, messageKey)).toHaveLength(1)
    expect(differences([first, ...wanted], wanted, messageKey)).toHaveLength(1)
    expect(differences([{ ...first, storeSize: 1 }, second, ...rest], wanted, messageKey)[0]).toContain(
      'storeSize is 1',
    )
    expect(differences([{ ...first, properties: {} }, second, ...rest], wanted, messageKey)[0]).toContain('properties')
    const { storeTimestamp: _, ...without } = first
    expect(differences([without, second, ...rest], wanted, messageKey)[0]).toContain('storeTimestamp')
  })
})
