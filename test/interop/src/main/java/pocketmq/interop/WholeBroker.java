package pocketmq.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;

import com.alibaba.fastjson2.JSON;

import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.MessageStore;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/**
 * A whole RocketMQ broker on a folder: it delivers what is delayed and asks about what is undecided, as brokers do. Told what to
 * do like {@link Broker}: a command a line, answered in JSON lines that end with "t":"done" or "t":"failed".
 *
 * Arguments: the folder, then settings of BrokerConfig and MessageStoreConfig as name=value.
 */
public final class WholeBroker {
    private static final long AWAIT_MS_MAX = 60_000;
    private final BrokerController controller;
    private final PrintStream out;

    private WholeBroker(BrokerController controller, PrintStream out) {
        this.controller = controller;
        this.out = out;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        // The broker's own log system speaks on standard output.
        System.setOut(System.err);
        Properties given = new Properties();
        for (int i = 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            given.setProperty(pair[0], pair[1]);
        }
        given.setProperty("storePathRootDir", arguments[0]);
        given.setProperty("storePathCommitLog", arguments[0] + "/commitlog");
        WholeBroker broker = new WholeBroker(controllerOf(given), out);
        broker.serve();
        System.exit(0);
    }

    private static BrokerController controllerOf(Properties given) throws Exception {
        BrokerConfig broker = new BrokerConfig();
        broker.setBrokerIP1("127.0.0.1");
        broker.setNamesrvAddr("127.0.0.1:1");
        broker.setSkipPreOnline(true);
        MessageStoreConfig store = new MessageStoreConfig();
        NettyServerConfig server = new NettyServerConfig();
        server.setListenPort(freePort());
        store.setHaListenPort(freePort());
        MixAll.properties2Object(given, broker);
        MixAll.properties2Object(given, store);
        BrokerController controller = new BrokerController(broker, server, new NettyClientConfig(), store);
        if (!controller.initialize()) {
            throw new IllegalStateException("the broker does not initialize");
        }
        controller.start();
        return controller;
    }

    private static int freePort() throws Exception {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    private void serve() throws Exception {
        say("done", Map.of());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                String[] words = line.split(" ");
                if (words[0].equals("messages")) {
                    int queueId = Integer.parseInt(words[2]);
                    await(words[1], queueId, Long.parseLong(words[3]));
                    messages(words[1], queueId);
                } else if (words[0].equals("offset")) {
                    long offset = controller.getConsumerOffsetManager().queryOffset(words[1], words[2], Integer.parseInt(words[3]));
                    say("offset", Map.of("offset", offset));
                } else if (words[0].equals("close")) {
                    controller.shutdown();
                    say("done", Map.of());
                    return;
                }
                say("done", Map.of());
            } catch (Exception failure) {
                say("failed", Map.of("reason", String.valueOf(failure)));
            }
        }
    }

    /** Waits, but not for ever, until the queue has so many messages: a broker tells nobody. */
    private void await(String topic, int queueId, long count) throws Exception {
        MessageStore store = controller.getMessageStore();
        long deadline = System.currentTimeMillis() + AWAIT_MS_MAX;
        while (store.getMaxOffsetInQueue(topic, queueId) < count && System.currentTimeMillis() < deadline) {
            Thread.sleep(50);
        }
    }

    private void messages(String topic, int queueId) throws Exception {
        MessageStore store = controller.getMessageStore();
        for (long offset = store.getMinOffsetInQueue(topic, queueId); offset < store.getMaxOffsetInQueue(topic, queueId); offset++) {
            GetMessageResult result = store.getMessage("test", topic, queueId, offset, 1, null);
            if (result == null || result.getMessageBufferList().isEmpty()) {
                continue;
            }
            MessageExt message = MessageDecoder.decode(result.getMessageBufferList().get(0));
            result.release();
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("queueOffset", offset);
            fields.put("body", new String(message.getBody(), StandardCharsets.UTF_8));
            fields.put("storeTimestamp", message.getStoreTimestamp());
            say("msg", fields);
        }
    }

    private void say(String kind, Map<String, Object> fields) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("t", kind);
        line.putAll(fields);
        out.println(JSON.toJSONString(line));
    }
}
