/**
 * What a record that does not decode still says about where it ends. Lengths are redundant: the total size, and the sum of
 * the body's, the topic's and the properties' lengths; a flipped bit spoils only one of the two.
 */

import { readI64 } from '../codec/bytes.ts'
import {
  BODY_LENGTH_OFFSET_IPV4,
  BORN_HOST_IPV6_FLAG,
  HOST_IPV6_EXTRA_BYTES,
  MAGIC_OFFSET,
  MAGIC_V1,
  MAGIC_V2,
  PHYSICAL_OFFSET_OFFSET,
  RECORD_BYTES_MIN,
  STORE_HOST_IPV6_FLAG,
  SYS_FLAG_OFFSET,
} from '../codec/record-layout.ts'

/** The bytes that both record magics start with: 0xDAA320A7 and 0xDAA320AB. */
export const LEADING_MAGIC_BYTES: Buffer = Buffer.from([0xda, 0xa3, 0x20])

/** Where a bad record may end. */
export type Claims = {
  /** Sizes worth trying, smaller first. */
  readonly sizes: readonly number[]
  /** The total size equals the sum of the lengths: the one size can be believed. */
  readonly isAgreed: boolean
}

const NO_CLAIMS: Claims = { sizes: [], isAgreed: false }

/**
 * Looks at the bad record at index `at`, whose bytes may go to `limit` (an index too) at most.
 * Answers a number, the bytes it has to see from `at` on, where `available` (an index) is not enough.
 */
export function claimsOf(view: DataView, at: number, available: number, limit: number): Claims | number {
  if (at + RECORD_BYTES_MIN > limit) return NO_CLAIMS
  if (at + RECORD_BYTES_MIN > available) return RECORD_BYTES_MIN
  const claimed = view.getInt32(at)
  const isClaimPossible = claimed >= RECORD_BYTES_MIN && at + claimed <= limit
  const magic = view.getInt32(at + MAGIC_OFFSET)
  const sums = magic === MAGIC_V1 ? [1] : magic === MAGIC_V2 ? [2] : [1, 2]
  const sizes = new Set<number>()
  for (const topicLengthBytes of sums) {
    const sum = sumOfLengths(view, at, available, limit, topicLengthBytes)
    if (sum === undefined) continue
    if (sum < 0) return -sum
    if (sum === claimed) return { sizes: [sum], isAgreed: true }
    sizes.add(sum)
  }
  if (isClaimPossible) sizes.add(claimed)
  return { sizes: [...sizes].sort((a, b) => a - b), isAgreed: false }
}

/** The size that the lengths inside the record add up to; undefined: impossible; negative: so many bytes must be seen first. */
function sumOfLengths(
  view: DataView,
  at: number,
  available: number,
  limit: number,
  topicLengthBytes: number,
): number | undefined {
  const sysFlag = view.getInt32(at + SYS_FLAG_OFFSET)
  const bornExtra = (sysFlag & BORN_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
  const storeExtra = (sysFlag & STORE_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
  let next = BODY_LENGTH_OFFSET_IPV4 + bornExtra + storeExtra
  const seen = (bytes: number): boolean => at + bytes <= available
  if (at + next + 4 > limit) return undefined
  if (!seen(next + 4)) return -(next + 4)
  const bodyBytes = view.getInt32(at + next)
  next += 4 + bodyBytes
  if (bodyBytes < 0 || at + next + topicLengthBytes > limit) return undefined
  if (!seen(next + topicLengthBytes)) return -(next + topicLengthBytes)
  const topicBytes = topicLengthBytes === 1 ? view.getInt8(at + next) : view.getInt16(at + next)
  next += topicLengthBytes + topicBytes
  if (topicBytes <= 0 || at + next + 2 > limit) return undefined
  if (!seen(next + 2)) return -(next + 2)
  const propertiesBytes = view.getInt16(at + next)
  next += 2 + propertiesBytes
  return propertiesBytes < 0 || at + next > limit ? undefined : next
}

/** More than a record has besides its body: hosts of 20 bytes, a topic and properties as long as their lengths can say. */
const BYTES_BESIDES_BODY_MAX = BODY_LENGTH_OFFSET_IPV4 + 4 + 2 * HOST_IPV6_EXTRA_BYTES + 2 * (2 + 0x7fff)

/**
 * Whether the record whose head is at index `at` can be as large as it says: without reading all of it, so that one flipped
 * bit in its total size does not cost the memory it claims. `available` is an index too.
 */
export function isSizePlausible(view: DataView, at: number, available: number): boolean {
  if (at + SYS_FLAG_OFFSET + 4 > available) return true
  const sysFlag = view.getInt32(at + SYS_FLAG_OFFSET)
  const bornExtra = (sysFlag & BORN_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
  const storeExtra = (sysFlag & STORE_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
  const bodyLengthAt = at + BODY_LENGTH_OFFSET_IPV4 + bornExtra + storeExtra
  if (bodyLengthAt + 4 > available) return true
  const besides = view.getInt32(at) - view.getInt32(bodyLengthAt)
  return besides > 0 && besides <= BYTES_BESIDES_BODY_MAX
}

/** Whether the head at index `at` says that its record is at `physicalOffset`. */
export function statesPosition(view: DataView, at: number, physicalOffset: number): boolean {
  return readI64(view, at + PHYSICAL_OFFSET_OFFSET) === physicalOffset
}
