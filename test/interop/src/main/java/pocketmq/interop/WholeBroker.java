package pocketmq.interop;

import java.io.PrintStream;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;

import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.common.topic.TopicValidator;
import org.apache.rocketmq.namesrv.NamesrvController;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.MessageStore;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/**
 * A whole RocketMQ broker on a folder, with the name server its clients need: it delivers what is delayed and asks about what is
 * undecided, as brokers do.
 *
 * Arguments: the folder, then settings of BrokerConfig and MessageStoreConfig as name=value. Commands:
 * nameServer · messages TOPIC QUEUE COUNT · offset GROUP TOPIC QUEUE AT_LEAST · close
 */
public final class WholeBroker {
    private static final long AWAIT_MS_MAX = 60_000;
    private final BrokerController controller;
    private final NamesrvController names;

    private WholeBroker(NamesrvController names, BrokerController controller) {
        this.names = names;
        this.controller = controller;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        // The broker's own log system speaks on standard output.
        System.setOut(System.err);
        // As RocketMQ's start-up classes do it: without a version, its name server takes no topics from a broker.
        System.setProperty(RemotingCommand.REMOTING_VERSION_KEY, Integer.toString(MQVersion.CURRENT_VERSION));
        Properties given = new Properties();
        for (int i = 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            given.setProperty(pair[0], pair[1]);
        }
        given.setProperty("storePathRootDir", arguments[0]);
        given.setProperty("storePathCommitLog", arguments[0] + "/commitlog");
        NamesrvController names = nameServer();
        WholeBroker broker = new WholeBroker(names, controllerOf(given, "127.0.0.1:" + names.getNettyServerConfig().getListenPort()));
        broker.register();
        Commands commands = new Commands(out);
        commands.serve(words -> broker.run(words, commands));
        System.exit(0);
    }

    private static NamesrvController nameServer() throws Exception {
        NamesrvConfig names = new NamesrvConfig();
        names.setRocketmqHome(System.getProperty("user.home"));
        NettyServerConfig server = new NettyServerConfig();
        server.setListenPort(freePort());
        NamesrvController controller = new NamesrvController(names, server);
        if (!controller.initialize()) {
            throw new IllegalStateException("the name server does not initialize");
        }
        controller.start();
        return controller;
    }

    private static BrokerController controllerOf(Properties given, String nameServer) throws Exception {
        BrokerConfig broker = new BrokerConfig();
        broker.setBrokerIP1("127.0.0.1");
        broker.setNamesrvAddr(nameServer);
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

    /** A broker that starts before it has connected to its name server registers ten seconds later. */
    private void register() throws Exception {
        while (names.getRouteInfoManager().pickupTopicRouteData(TopicValidator.AUTO_CREATE_TOPIC_KEY_TOPIC) == null) {
            controller.registerBrokerAll(true, false, true);
            Thread.sleep(20);
        }
    }

    private void run(String[] words, Commands commands) throws Exception {
        switch (words[0]) {
            case "nameServer" -> commands.say("address", Map.of("address", "127.0.0.1:" + names.getNettyServerConfig().getListenPort()));
            case "messages" -> {
                int queueId = Integer.parseInt(words[2]);
                MessageStore store = controller.getMessageStore();
                await(Long.parseLong(words[3]), () -> store.getMaxOffsetInQueue(words[1], queueId));
                messages(words[1], queueId, commands);
            }
            case "offset" -> {
                int queueId = Integer.parseInt(words[3]);
                Figure offset = () -> controller.getConsumerOffsetManager().queryOffset(words[1], words[2], queueId);
                await(Long.parseLong(words[4]), offset);
                commands.say("offset", Map.of("offset", offset.get()));
            }
            case "close" -> {
                controller.shutdown();
                commands.end();
            }
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    /** Something that grows. */
    private interface Figure {
        long get() throws Exception;
    }

    /** Waits, but not for ever, until a figure is high enough: a broker tells nobody. */
    private static void await(long atLeast, Figure figure) throws Exception {
        long deadline = System.currentTimeMillis() + AWAIT_MS_MAX;
        while (figure.get() < atLeast && System.currentTimeMillis() < deadline) {
            Thread.sleep(20);
        }
    }

    private void messages(String topic, int queueId, Commands commands) throws Exception {
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
            commands.say("msg", fields);
        }
    }
}
