/**
 * Message ids as text: the offset message id that says where a record lies, and the unique key that a producer gives.
 * RocketMQ: MessageDecoder.createMessageId, MessageClientIDSetter.
 */
import { PocketMQError } from '../base/errors.ts'
import { i64At } from './bytes.ts'
import type { Host } from './host.ts'
import { HOST_BYTES, HOST_IPV6_BYTES, PORT_BYTES } from './host.ts'

const OFFSET_BYTES = 8

/** Upper-case hex of the store host and the physicalOffset: 32 characters, 56 with an IPv6 host. */
export function offsetMessageId(host: Host, physicalOffset: number): string {
  const bytes = Buffer.alloc(host.bytes.length + PORT_BYTES)
  host.bytes.copy(bytes)
  bytes.writeInt32BE(host.port, host.bytes.length)
  return messageIdOfHost(bytes, 0, host.isIpv6, physicalOffset)
}

/** The same, of the host that starts at `at` of a record. */
export function messageIdOfHost(bytes: Buffer, at: number, isIpv6: boolean, physicalOffset: number): string {
  const host = bytes.toString('hex', at, at + (isIpv6 ? HOST_IPV6_BYTES : HOST_BYTES))
  return (host + physicalOffset.toString(16).padStart(2 * OFFSET_BYTES, '0')).toUpperCase()
}

/** What an offset message id says. @throws INVALID_ARGUMENT where it is none */
export function parseOffsetMessageId(id: string): { readonly host: Host; readonly physicalOffset: number } {
  const isIpv6 = id.length === 2 * (HOST_IPV6_BYTES + OFFSET_BYTES)
  const hostLength = isIpv6 ? HOST_IPV6_BYTES : HOST_BYTES
  const bytes = /^[0-9a-fA-F]*$/.test(id) ? Buffer.from(id, 'hex') : Buffer.alloc(0)
  const physicalOffset = bytes.length === hostLength + OFFSET_BYTES ? i64At(bytes, hostLength) : -1
  if (!Number.isSafeInteger(physicalOffset) || physicalOffset < 0) {
    throw new PocketMQError('INVALID_ARGUMENT', `${JSON.stringify(id)} is no offset message id`, {
      hint: 'An offset message id is 32 hex digits, or 56 where the store host is IPv6.',
      details: { field: 'id', given: id },
    })
  }
  const port = bytes.readInt32BE(hostLength - PORT_BYTES)
  return { host: { bytes: bytes.subarray(0, hostLength - PORT_BYTES), port, isIpv6 }, physicalOffset }
}
