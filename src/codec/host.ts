/**
 * A host of a record: its address bytes, then the port as i32.   RocketMQ: InetSocketAddress in MessageExt.
 * An IPv4 host takes 8 bytes, an IPv6 host 20; a bit of the record's sysFlag says which.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { PocketMQError } from '../base/errors.ts'
import { i32At } from './bytes.ts'

/** Bytes on disk of an IPv4 host and its port. */
export const HOST_BYTES = 8
/** Bytes on disk of an IPv6 host and its port. */
export const HOST_IPV6_BYTES = 20
export const PORT_BYTES = 4

/** An address and a port. `bytes` is 4 or 16 long. */
export type Host = { readonly bytes: Buffer; readonly port: number; readonly isIpv6: boolean }

/**
 * A host from its text: `1.2.3.4:5`, `[::1]:5`, or as RocketMQ prints IPv6, `0:0:0:0:0:0:0:1:5`.
 * @throws INVALID_ARGUMENT where it is none of these; names are not resolved
 */
export function parseHost(text: string): Host {
  const colon = text.lastIndexOf(':')
  const portText = text.slice(colon + 1)
  let address = text.slice(0, Math.max(0, colon))
  if (address.startsWith('[') && address.endsWith(']')) address = address.slice(1, -1)
  else if (address.includes(':') && address.split(':').length !== 8) throw badHost(text)
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : -1
  if (port < 0 || port > 65_535) throw badHost(text)
  if (isIPv4(address)) return { bytes: Buffer.from(address.split('.').map(Number)), port, isIpv6: false }
  if (isIPv6(address) && !address.includes('%')) return { bytes: ipv6Bytes(address), port, isIpv6: true }
  throw badHost(text)
}

function badHost(text: string): PocketMQError {
  return new PocketMQError('INVALID_ARGUMENT', `A host must be 'address:port', not ${JSON.stringify(text)}`, {
    hint: "Give an IP address and a port, like '127.0.0.1:10911' or '[::1]:10911'.",
    details: { field: 'host', given: text },
  })
}

/** The 16 bytes of an address that `isIPv6` accepts. */
function ipv6Bytes(address: string): Buffer {
  const bytes = Buffer.alloc(16)
  const [left = '', right] = address.split('::')
  const head = groups(left)
  const tail = right === undefined ? [] : groups(right)
  for (const [i, group] of head.entries()) bytes.writeUInt16BE(group, 2 * i)
  for (const [i, group] of tail.entries()) bytes.writeUInt16BE(group, 16 - 2 * (tail.length - i))
  return bytes
}

/** 16-bit groups; a trailing dotted address (`::ffff:1.2.3.4`) makes two of them. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

/** `address:port` of the host at `at`, as RocketMQ prints it: an IPv6 address unabridged and without brackets. */
export function hostText(bytes: Uint8Array, at: number, isIpv6: boolean): string {
  if (!isIpv6) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}:${i32At(bytes, at + 4)}`
  let text = ''
  for (let i = 0; i < 16; i += 2) {
    text += `${(((bytes[at + i] as number) << 8) | (bytes[at + i + 1] as number)).toString(16)}:`
  }
  return text + i32At(bytes, at + 16)
}

/** Bytes a host takes on disk. */
export function hostBytes(isIpv6: boolean): number {
  return isIpv6 ? HOST_IPV6_BYTES : HOST_BYTES
}
