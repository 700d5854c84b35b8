import { describe, expect, it } from 'vitest'
import { hostBytes, hostText, parseHost } from '../../src/codec/host.ts'

const shown = (text: string): string => {
  const { bytes, port, isIpv6 } = parseHost(text)
  const stored = Buffer.alloc(hostBytes(isIpv6) + 2)
  bytes.copy(stored, 2)
  stored.writeInt32BE(port, 2 + bytes.length)
  return hostText(stored, 2, isIpv6)
}

describe('a host', () => {
  it.each<[string, string]>([
    ['127.0.0.1:10911', '127.0.0.1:10911'],
    ['0.0.0.0:0', '0.0.0.0:0'],
    ['255.255.255.255:65535', '255.255.255.255:65535'],
    ['[::1]:10911', '0:0:0:0:0:0:0:1:10911'],
    ['[::]:1', '0:0:0:0:0:0:0:0:1'],
    ['[2001:db8::dead:beef]:40000', '2001:db8:0:0:0:0:dead:beef:40000'],
    ['[fe80::]:1', 'fe80:0:0:0:0:0:0:0:1'],
    ['[::ffff:1.2.3.4]:5', '0:0:0:0:0:ffff:102:304:5'],
    ['[1:2:3:4:5:6:7:8]:9', '1:2:3:4:5:6:7:8:9'],
    ['2001:db8:0:0:0:0:dead:beef:40000', '2001:db8:0:0:0:0:dead:beef:40000'],
  ])('given as %s is shown as RocketMQ shows it: %s', (given, expected) => {
    expect(shown(given)).toBe(expected)
  })

  it.each([
    '',
    'localhost:1',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0.1:1e3',
    '127.0.0.256:1',
    '[::1]',
    '::1:5',
    '[::1%eth0]:1',
    '[1.2.3.4:1',
    ':1',
  ])('is not %j', given => {
    expect(() => parseHost(given)).toThrow(expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }))
  })
})
