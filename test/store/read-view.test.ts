import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { expected, fingerprint, STORE_NAMES, unpack, VARIANTS, variantText } from '../golden/golden-stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

async function placesOf(store: MessageStore): Promise<string[]> {
  const places: string[] = []
  for (const { topic, queueId, minQueueOffset, maxQueueOffset } of store.queues()) {
    for (let at = minQueueOffset; at < maxQueueOffset; ) {
      const result = await store.read({ topic, queueId, queueOffset: at, maxMessages: 64 })
      for (const message of result.messages)
        places.push(`${topic} ${queueId} ${message.queueOffset} ${message.physicalOffset}`)
      expect(result.nextQueueOffset).toBeGreaterThan(at)
      at = result.nextQueueOffset
    }
  }
  return places.sort()
}

const CASES = STORE_NAMES.filter(name => name !== 'g3b' && name !== 'g7').flatMap(name =>
  VARIANTS.map(variant => ({ name, variant, left: variantText(variant) })),
)

describe.each(CASES)('$name $left', ({ name, variant }) => {
  test('is read as RocketMQ reads it, or better, without a byte changing', async () => {
    const folder = unpack(name, temporaryFolder(), variant)
    const before = fingerprint(folder)
    const store = await MessageStore.openReadOnly(folder, { logger: silentLogger })
    const places = await placesOf(store)
    const wanted = expected(name)
    const lines = wanted.messages.map(
      line => `${line.topic} ${line.queueId} ${line.queueOffset} ${line.commitLogOffset}`,
    )
    expect(places).toEqual(expect.arrayContaining(lines))
    expect(places).toHaveLength(name === 'g5b' ? 149 : lines.length)
    expect(store.recovery.damaged).toHaveLength(name === 'g5b' ? 1 : 0)
    await store.close()
    expect(fingerprint(folder)).toEqual(before)
  })
})
