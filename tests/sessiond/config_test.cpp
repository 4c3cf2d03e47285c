// sessiond's configuration: every setting, the precedence of its sources, named policies, the
// banner.
#include "sessiond/config.h"

#include "common/conf_dump.h"
#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using holdfast::test::MemoryConfSource;
using holdfast::test::request_for;

namespace {

struct World {
  MemoryConfSource source;
  ConfRequest request = request_for("sessiond.conf");

  explicit World(const std::string &conf) { source.files[request.path] = conf; }

  LoadedConf<Config> load() { return load_config(request, source); }

  std::string findings() {
    const auto loaded = load();
    return loaded.report.text(loaded.tree.files, "t");
  }
  Config config() {
    const auto loaded = load();
    if (!loaded.config) HF_FAIL(loaded.report.text(loaded.tree.files, "t"));
    return *loaded.config;
  }
};

bool has(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

const Setting &setting(const Config &config, const std::string &name,
                       const std::string &policy = "") {
  for (const Setting &one : config.settings) {
    if (one.name == name && one.policy == policy) return one;
  }
  HF_FAIL("no setting " + name);
}

}  // namespace

HF_TEST(an_empty_file_gives_the_documented_defaults) {
  const Config config = World("").config();
  HF_EQ(config.top.timeout.count(), 3'600'000);
  HF_EQ(config.top.cleanup_interval.count(), 60'000);
  HF_CHECK(!config.top.max_sessions && !config.top.max_sessions_per_user);
  HF_CHECK(!config.top.max_sessions_per_address);
  HF_CHECK(!config.top.persistent_mode);
  HF_CHECK(is_persistent(config.top));
  HF_CHECK(config.top.activity == Activity{});
  HF_EQ(config.top.evict_grace.count(), 300'000);
  HF_CHECK(!config.top.stream_keeps_alive && !config.top.orphan_timeout &&
           !config.top.unused_timeout);
  HF_EQ(config.control_socket.path, std::string("/etc/holdfast/run/sessiond.sock"));
  HF_EQ(config.control_socket.mode, mode_t{0600});
  HF_EQ(config.admin_socket.path, std::string("/etc/holdfast/run/admin.sock"));
  HF_EQ(config.admin_socket.mode, mode_t{0660});
  HF_EQ(config.http_socket.path, std::string("/etc/holdfast/run/http.sock"));
  HF_EQ(config.pid_path, std::string("/etc/holdfast/run/holdfast-sessiond.pid"));
  HF_EQ(config.error_log.target, std::string("stderr"));
  HF_CHECK(!config.log_full_ids && config.env_file.empty() && config.warnings.empty());
}

HF_TEST(every_setting_is_read) {
  World world(
      "session_timeout 30m; session_cleanup_interval 500ms; max_sessions 7; max_sessions_per_user "
      "2;\n"
      "persistent_mode off; at_capacity reject; evict_grace 1m; activity tools/call prompts/get;\n"
      "stream_keeps_alive on; orphan_timeout off; unused_timeout off;\n"
      "control_socket unix:/s/c mode=0660 allow_uid=12,proxy allow_uid=7; admin_socket a "
      "mode=600;\n"
      "http_socket off; log_full_ids on; tombstone_lifetime 5m; error_log logs/e.log warn;\n"
      "pid off; user proxy staff; sandbox off;\n");
  world.source.users["proxy"] = 13;
  const Config config = world.config();
  HF_EQ(config.top.timeout.count(), 1'800'000);
  HF_EQ(config.top.cleanup_interval.count(), 500);
  HF_EQ(*config.top.max_sessions, 7u);
  HF_EQ(*config.top.max_sessions_per_user, 2u);
  HF_EQ(*config.top.persistent_mode, false);
  HF_EQ(config.top.evict_grace.count(), 60'000);
  HF_CHECK(to_words(config.top.activity) ==
           (std::vector<std::string>{"tools/call", "prompts/get"}));
  HF_CHECK(config.top.stream_keeps_alive);
  HF_EQ(config.control_socket.path, std::string("/s/c"));
  HF_EQ(config.control_socket.mode, mode_t{0660});
  HF_CHECK(config.control_socket.allow_uids == (std::vector<uid_t>{12, 13, 7}));
  HF_EQ(config.admin_socket.path, std::string("/etc/holdfast/a"));
  HF_EQ(config.admin_socket.mode, mode_t{0600});
  HF_CHECK(config.http_socket.path.empty());
  HF_CHECK(config.log_full_ids);
  HF_EQ(config.tombstone_lifetime.count(), 300'000);
  HF_EQ(config.error_log.target, std::string("/etc/holdfast/logs/e.log"));
  HF_CHECK(config.error_log.level == LogLevel::warn);
  HF_CHECK(config.pid_path.empty());
  HF_EQ(config.run_as.user, std::string("proxy"));
  HF_EQ(config.run_as.group, std::string("staff"));
  HF_CHECK(!config.sandbox);
}

HF_TEST(the_command_line_beats_the_environment_beats_env_file_beats_conf_beats_default) {
  World world("max_sessions 1;");
  HF_CHECK(setting(world.config(), "session_timeout").origin == Origin::default_value);
  HF_EQ(*world.config().top.max_sessions, 1u);
  HF_EQ(setting(world.config(), "max_sessions").where, std::string("sessiond.conf:1"));

  world.source.files[".env"] = "\nMAX_SESSIONS=2\n";
  HF_EQ(*world.config().top.max_sessions, 2u);
  HF_CHECK(setting(world.config(), "max_sessions").origin == Origin::env_file);
  HF_EQ(setting(world.config(), "max_sessions").where, std::string(".env:2"));

  world.source.variables["MAX_SESSIONS"] = "3";
  HF_EQ(*world.config().top.max_sessions, 3u);
  HF_CHECK(setting(world.config(), "max_sessions").origin == Origin::environment);
  HF_EQ(setting(world.config(), "max_sessions").where, std::string("MAX_SESSIONS"));

  world.request.directives = "max_sessions 4";
  HF_EQ(*world.config().top.max_sessions, 4u);
  HF_CHECK(setting(world.config(), "max_sessions").origin == Origin::command_line);
  HF_EQ(setting(world.config(), "max_sessions").value, std::string("4"));
}

HF_TEST(an_empty_variable_is_an_unset_one) {
  World world("");
  world.source.files[".env"] = "MAX_SESSIONS=\nPERSISTENT_MODE=\"\"\n";
  world.source.variables["SESSION_TIMEOUT"] = "";
  HF_CHECK(!world.config().top.max_sessions && !world.config().top.persistent_mode);
  HF_EQ(world.config().top.timeout.count(), 3'600'000);
}

HF_TEST(times_in_the_environment_are_milliseconds_unless_they_have_a_unit) {
  World world("");
  world.source.variables = {{"SESSION_TIMEOUT", "1800000"}, {"SESSION_CLEANUP_INTERVAL", "5s"}};
  HF_EQ(world.config().top.timeout.count(), 1'800'000);
  HF_EQ(world.config().top.cleanup_interval.count(), 5'000);
}

HF_TEST(persistent_mode_takes_the_words_users_have) {
  for (const auto &[word, on] : {std::pair{"true", true},
                                 {"1", true},
                                 {"yes", true},
                                 {"on", true},
                                 {"false", false},
                                 {"0", false},
                                 {"NO", false},
                                 {"off", false}}) {
    World world("");
    world.source.variables["PERSISTENT_MODE"] = word;
    HF_EQ(*world.config().top.persistent_mode, on);
  }
}

HF_TEST(a_bad_variable_is_named_with_where_it_came_from) {
  World world("");
  for (const char *bad : {"abc", "0", "-5", "1.5"}) {
    world.source.variables["MAX_SESSIONS"] = bad;
    HF_CHECK(has(world.findings(), "[emerg] MAX_SESSIONS: \"" + std::string(bad) + "\""));
    HF_CHECK(has(world.findings(), "in the environment"));
    HF_CHECK(!world.load().config);
  }
  world.source.variables = {
      {"SESSION_TIMEOUT", "-1"}, {"SESSION_CLEANUP_INTERVAL", "0"}, {"PERSISTENT_MODE", "maybe"}};
  const std::string three = world.findings();
  HF_CHECK(has(three, "SESSION_TIMEOUT: \"-1\" is not a time"));
  HF_CHECK(
      has(three, "SESSION_CLEANUP_INTERVAL: \"session_cleanup_interval\" must be at least 1ms"));
  HF_CHECK(has(three, "PERSISTENT_MODE: \"maybe\""));
  world.source.variables.clear();
  world.source.files[".env"] = "A=1\nMAX_SESSIONS=abc\n";
  HF_CHECK(has(world.findings(),
               "MAX_SESSIONS: \"abc\" is not a whole number from 1 to 1000000000 in .env:2:14"));
}

HF_TEST(an_env_file_is_read_from_where_it_is_named_and_must_exist) {
  World world("env_file my.env;");
  HF_CHECK(has(world.findings(), "No such file or directory) in sessiond.conf:1:10"));
  world.source.files["/etc/holdfast/my.env"] = "MAX_SESSIONS=9";
  world.source.files[".env"] = "MAX_SESSIONS=1";
  HF_EQ(*world.config().top.max_sessions, 9u);
  HF_EQ(world.config().env_file, std::string("/etc/holdfast/my.env"));
  world.request.directives = "env_file off";
  HF_CHECK(!world.config().top.max_sessions);
}

HF_TEST(a_dump_shows_our_variables_of_an_env_file_and_no_others) {
  World world("");
  world.source.files[".env"] = "MAX_SESSIONS=5\nAPI_KEY=secret\n";
  const auto loaded = world.load();
  const std::string dump = dump_conf(loaded.tree, false);
  HF_CHECK(has(dump, "# configuration file .env:\n# MAX_SESSIONS=5\n# API_KEY=***\n"));
}

HF_TEST(the_real_environment_hides_even_a_bad_value_of_the_env_file) {
  World world("");
  world.source.files[".env"] = "MAX_SESSIONS=abc";
  world.source.variables["MAX_SESSIONS"] = "5";
  HF_EQ(*world.config().top.max_sessions, 5u);
}

HF_TEST(a_policy_inherits_what_it_does_not_set) {
  World world("session_timeout 10m; stream_keeps_alive on; policy ci { session_timeout 1m; }");
  const Config config = world.config();
  HF_EQ(config.policies.size(), 1u);
  HF_EQ(config.policies[0].name, std::string("ci"));
  HF_EQ(config.policies[0].policy.timeout.count(), 60'000);
  HF_CHECK(config.policies[0].policy.stream_keeps_alive);
  HF_CHECK(is_persistent(config.policies[0].policy));
  HF_CHECK(setting(config, "session_timeout", "ci").origin == Origin::conf);
  HF_CHECK(setting(config, "activity", "ci").origin == Origin::default_value);
  HF_CHECK(config.has_policy("ci") && !config.has_policy("x") && !config.has_policy(""));
  HF_EQ(config.policy("ci").timeout.count(), 60'000);
  HF_EQ(config.policy("x").timeout.count(), 600'000);
}

HF_TEST(a_policy_with_a_cap_of_its_own_is_not_persistent_unless_it_says_so) {
  const Config config = World(
                            "persistent_mode on;\n"
                            "policy a { max_sessions 5; }\n"
                            "policy b { max_sessions 5; persistent_mode on; }\n"
                            "policy c { session_timeout 1m; }\n"
                            "policy d { max_sessions off; }")
                            .config();
  HF_CHECK(!is_persistent(config.policy("a")));
  HF_CHECK(is_persistent(config.policy("b")));
  HF_CHECK(is_persistent(config.policy("c")));
  HF_CHECK(is_persistent(config.policy("d")));
}

HF_TEST(the_environment_sets_the_top_level_that_policies_inherit) {
  World world("policy ci { session_timeout 1m; } policy big { max_sessions 10; }");
  world.source.variables = {{"SESSION_TIMEOUT", "7000"}, {"MAX_SESSIONS", "100"}};
  const Config config = world.config();
  HF_EQ(config.top.timeout.count(), 7'000);
  HF_EQ(config.policy("ci").timeout.count(), 60'000);
  HF_EQ(config.policy("big").timeout.count(), 7'000);
  HF_EQ(*config.policy("big").max_sessions, 10u);
  HF_EQ(*config.policy("ci").max_sessions, 100u);
}

HF_TEST(the_sweep_keeps_the_shortest_interval_of_all_policies) {
  HF_EQ(World("policy a { session_cleanup_interval 5s; } policy b { }")
            .config()
            .sweep_interval()
            .count(),
        5'000);
  HF_EQ(World("").config().sweep_interval().count(), 60'000);
}

HF_TEST(the_banner_is_the_contract_to_the_byte) {
  HF_EQ(start_banner(World("max_sessions 100;").config()),
        std::string("📋 Configuration:\n"
                    "   Session: timeout=3600000ms, cleanup=60000ms, persistent=false\n"
                    "     - maxSessions: 100\n"));
  HF_EQ(start_banner(World("policy ci { session_timeout 90s; max_sessions 5; }").config()),
        std::string("📋 Configuration:\n"
                    "   Session: timeout=3600000ms, cleanup=60000ms, persistent=true\n"
                    "📋 Policy ci:\n"
                    "   Session: timeout=90000ms, cleanup=60000ms, persistent=false\n"
                    "     - maxSessions: 5\n"));
}

HF_TEST(a_cap_on_persistent_sessions_is_warned_about) {
  World world("max_sessions 3; persistent_mode on;");
  HF_EQ(world.config().warnings.size(), 1u);
  HF_CHECK(has(world.config().warnings[0], "persistent_mode is on and max_sessions is 3"));
  HF_CHECK(has(World("policy x { max_sessions 3; persistent_mode on; }").config().warnings.at(0),
               "policy x: "));
  HF_CHECK(World("max_sessions 3;").config().warnings.empty());
}

HF_TEST(a_bare_timeout_beyond_a_day_is_asked_about) {
  HF_CHECK(has(World("session_timeout 1800000;").findings(),
               "[warn] 1800000 seconds is 20 days; write 1800000ms? in sessiond.conf:1:17"));
  HF_EQ(World("session_timeout 1800000;").config().top.timeout.count(), 1'800'000'000);
  HF_EQ(World("session_timeout 86400;").findings(), std::string());
  HF_EQ(World("session_timeout 30d;").findings(), std::string());
}

HF_TEST(what_this_version_does_not_do_is_refused_when_switched_on) {
  for (const char *line : {"store memory;", "error_log syslog:server=x;"}) {
    HF_CHECK(has(World(line).findings(), "not supported by this version"));
    HF_CHECK(!World(line).load().config);
  }
}

HF_TEST(what_ends_sessions_besides_idleness_is_read_and_inherited) {
  const Config config =
      World(
          "max_sessions 9; max_sessions_per_address 3; at_capacity evict_idle; evict_grace 30s;\n"
          "orphan_timeout 2d; unused_timeout 90s;\n"
          "policy x { at_capacity reject; orphan_timeout off; }")
          .config();
  HF_EQ(*config.top.max_sessions_per_address, 3u);
  HF_CHECK(config.top.at_capacity == AtCapacity::evict_idle);
  HF_CHECK(config.top.evict_grace == Millis{30'000});
  HF_CHECK(config.top.orphan_timeout == Millis{172'800'000});
  HF_CHECK(config.top.unused_timeout == Millis{90'000});
  const Policy &named = config.policy("x");
  HF_CHECK(named.at_capacity == AtCapacity::reject && !named.orphan_timeout);
  HF_CHECK(named.unused_timeout == Millis{90'000});
}

HF_TEST(a_timeout_that_cannot_end_anybody_is_pointed_out) {
  // Without a cap sessions are persistent, which spares them.
  HF_CHECK(has(World("unused_timeout 5m;").findings(),
               "[warn] unused_timeout spares persistent sessions, and all of them are: it ends "
               "nobody in sessiond.conf:1:1"));
  HF_EQ(World("unused_timeout 5m; persistent_mode off;").findings(), std::string());
  HF_EQ(World("unused_timeout 5m; policy x { max_sessions 2; }").config().warnings.size(), 1u);
}

HF_TEST(sockets_are_checked_while_the_file_is_read) {
  HF_CHECK(has(World("control_socket /" + std::string(107, 'x') + ";").findings(),
               "is 108 bytes long; a Unix socket path holds at most 107 in sessiond.conf:1:16"));
  HF_CHECK(has(World("control_socket off;").findings(), "cannot be off"));
  HF_CHECK(has(World("admin_socket run/sessiond.sock;").findings(),
               "is named for two sockets in sessiond.conf:1:1"));
  HF_CHECK(has(World("admin_socket a mode=9;").findings(), "\"9\" is not a mode"));
  HF_CHECK(has(World("admin_socket a allow_uid=nobody-here;").findings(),
               "there is no user \"nobody-here\""));
  HF_CHECK(has(World("admin_socket a what=1;").findings(), "invalid parameter \"what=1\""));
  HF_CHECK(has(World("user nobody-here;").findings(),
               "there is no user \"nobody-here\" in sessiond.conf:1:6"));
}

HF_TEST(activity_is_methods_or_one_keyword) {
  HF_CHECK(World("activity requests;").config().top.activity.kind == Activity::Kind::requests);
  HF_CHECK(World("activity messages;").config().top.activity.kind == Activity::Kind::messages);
  HF_CHECK(has(World("activity requests tools/call;").findings(), "stands alone"));
  HF_CHECK(has(World("activity \"a b\";").findings(), "is not a JSON-RPC method"));
}

HF_TEST(policies_have_names_of_their_own) {
  HF_CHECK(has(World("policy a { }\npolicy a { }").findings(),
               "policy \"a\" is duplicate (first at sessiond.conf:1)"));
  HF_CHECK(has(World("policy -a { }").findings(), "\"-a\" is not a policy name"));
  HF_CHECK(has(World("policy a { pid x; }").findings(),
               "\"pid\" is not allowed in \"policy\" (only in main)"));
  HF_CHECK(has(World("policy a { policy b { } }").findings(),
               "\"policy\" is not allowed in \"policy\""));
}

HF_TEST(words_of_the_proxy_are_sent_to_its_own_file) {
  HF_CHECK(has(World("upstream x { }").findings(),
               "\"upstream\" belongs in proxy.conf in sessiond.conf:1:1"));
  HF_CHECK(has(World("session_timout 1h;").findings(), "did you mean \"session_timeout\"?"));
  HF_CHECK(
      has(World("gzip on;").findings(), "\"gzip\" is an nginx directive Holdfast does not have"));
}

HF_TEST(every_printed_setting_can_be_written_back) {
  World world(
      "session_timeout 90s; activity tools/call prompts/get; max_sessions 5; evict_grace 0;");
  const Config before = world.config();
  std::string conf;
  for (const Setting &one : before.settings) {
    if (!one.value.empty()) conf += one.name + " " + one.value + ";\n";
  }
  HF_CHECK(World(conf).config().top == before.top);
}

HF_TEST(settings_of_the_daemon_have_an_origin_too) {
  World world("pid run/p.pid;\nadmin_socket a mode=0600 allow_uid=1;");
  world.request.directives = "admin_socket b";
  const Config config = world.config();
  HF_EQ(setting(config, "pid").value, std::string("run/p.pid"));
  HF_EQ(setting(config, "pid").where, std::string("sessiond.conf:1"));
  HF_EQ(setting(config, "log_full_ids").value, std::string("off"));
  HF_CHECK(setting(config, "log_full_ids").origin == Origin::default_value);
  HF_CHECK(setting(config, "admin_socket").origin == Origin::command_line);
  // -g replaces the directive, it does not add to it.
  HF_EQ(config.admin_socket.path, std::string("/etc/holdfast/b"));
  HF_EQ(config.admin_socket.mode, mode_t{0660});
  HF_CHECK(config.admin_socket.allow_uids.empty());
}

HF_TEST(the_log_of_the_command_line_serves_until_the_file_names_one) {
  World world("");
  world.request.error_log = "/tmp/e.log";
  HF_EQ(world.config().error_log.target, std::string("/tmp/e.log"));
  world.source.files[world.request.path] = "error_log stderr debug;";
  HF_EQ(world.config().error_log.target, std::string("stderr"));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_empty_file_gives_the_documented_defaults),
      HF_UNIT(every_setting_is_read),
      HF_UNIT(the_command_line_beats_the_environment_beats_env_file_beats_conf_beats_default),
      HF_UNIT(an_empty_variable_is_an_unset_one),
      HF_UNIT(times_in_the_environment_are_milliseconds_unless_they_have_a_unit),
      HF_UNIT(persistent_mode_takes_the_words_users_have),
      HF_UNIT(a_bad_variable_is_named_with_where_it_came_from),
      HF_UNIT(an_env_file_is_read_from_where_it_is_named_and_must_exist),
      HF_UNIT(a_dump_shows_our_variables_of_an_env_file_and_no_others),
      HF_UNIT(the_real_environment_hides_even_a_bad_value_of_the_env_file),
      HF_UNIT(a_policy_inherits_what_it_does_not_set),
      HF_UNIT(a_policy_with_a_cap_of_its_own_is_not_persistent_unless_it_says_so),
      HF_UNIT(the_environment_sets_the_top_level_that_policies_inherit),
      HF_UNIT(the_sweep_keeps_the_shortest_interval_of_all_policies),
      HF_UNIT(the_banner_is_the_contract_to_the_byte),
      HF_UNIT(a_cap_on_persistent_sessions_is_warned_about),
      HF_UNIT(a_bare_timeout_beyond_a_day_is_asked_about),
      HF_UNIT(what_this_version_does_not_do_is_refused_when_switched_on),
      HF_UNIT(what_ends_sessions_besides_idleness_is_read_and_inherited),
      HF_UNIT(a_timeout_that_cannot_end_anybody_is_pointed_out),
      HF_UNIT(sockets_are_checked_while_the_file_is_read),
      HF_UNIT(activity_is_methods_or_one_keyword),
      HF_UNIT(policies_have_names_of_their_own),
      HF_UNIT(words_of_the_proxy_are_sent_to_its_own_file),
      HF_UNIT(every_printed_setting_can_be_written_back),
      HF_UNIT(settings_of_the_daemon_have_an_origin_too),
      HF_UNIT(the_log_of_the_command_line_serves_until_the_file_names_one),
  };
  return HF_RUN(tests);
}
