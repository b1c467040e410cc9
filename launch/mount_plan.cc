#include "launch/mount_plan.h"

namespace sandbox_run::launch {
namespace {

// Uids and gids as reference of every name a Go program may look up (os/user without cgo reads these two files).
constexpr char kPasswd[] =
    "root:x:0:0:root:/:/sbin/nologin\n"
    "sandbox:x:1000:1000:sandbox:/tmp:/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/:/sbin/nologin\n";
constexpr char kGroup[] = "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n";
constexpr char kHosts[] = "127.0.0.1 localhost\n::1 localhost\n";
constexpr char kNameServiceSwitch[] = "passwd: files\ngroup: files\nhosts: files dns\n";

// TZif version 2 (RFC 8536) of UTC: no transition, one type "UTC", footer "UTC0".
std::string utc_time_zone() {
  auto header = [](char version) {
    std::string text = "TZif";
    text += version;
    text.append(15, '\0');
    const unsigned char counts[] = {0, 0, 0, 0, 1, 4};  // isut, isstd, leap, transitions, types, name characters
    for (unsigned char count : counts) text += {'\0', '\0', '\0', static_cast<char>(count)};
    return text;
  };
  const std::string body = std::string(6, '\0') + std::string("UTC\0", 4);
  return header('2') + body + header('2') + body + "\nUTC0\n";
}

PlannedMount device(const char* path, unsigned major, unsigned minor) {
  PlannedMount mount;
  mount.kind = PlannedMount::Kind::device;
  mount.source = mount.target = path;
  mount.attributes.no_devices = false;
  mount.device_major = major;
  mount.device_minor = minor;
  return mount;
}

PlannedMount optional_bind(const char* source, const char* target) {
  PlannedMount mount;
  mount.source = source;
  mount.target = target;
  mount.attributes.read_only = true;
  mount.optional = true;
  return mount;
}

void add_base_tree(const Plan& plan, MountPlan& out) {
  out.files.push_back({"/etc/passwd", kPasswd});
  out.files.push_back({"/etc/group", kGroup});
  out.files.push_back({"/etc/hosts", kHosts});
  out.files.push_back({"/etc/nsswitch.conf", kNameServiceSwitch});
  out.files.push_back({"/etc/localtime", utc_time_zone()});
  // Numbers: Documentation/admin-guide/devices.txt.
  out.mounts.push_back(device("/dev/null", 1, 3));
  out.mounts.push_back(device("/dev/zero", 1, 5));
  out.mounts.push_back(device("/dev/full", 1, 7));
  out.mounts.push_back(device("/dev/urandom", 1, 9));
  out.directories.push_back("/dev/fd");
  for (auto [name, target] : {std::pair{"/dev/stdin", "fd/0"}, {"/dev/stdout", "fd/1"}, {"/dev/stderr", "fd/2"}})
    out.links.emplace_back(name, target);
  out.mounts.push_back(optional_bind("/usr/share/zoneinfo", "/usr/share/zoneinfo"));
  out.mounts.push_back(optional_bind("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"));
  if (plan.proc) out.directories.push_back("/proc");
}

Status check_target(const std::string& target) {
  const std::string with_end = target + "/";
  const bool normal = target.size() > 1 && target[0] == '/' && with_end.find("//") == std::string::npos &&
                      with_end.find("/../") == std::string::npos && with_end.find("/./") == std::string::npos &&
                      target.find('\0') == std::string::npos;
  if (normal) return {};
  return input_error("mount target \"" + target + "\" is not an absolute path without //, . and ..; for example /data");
}

struct Adder {
  MountPlan& out;

  Status operator()(const BindMount& bind) const {
    TRY_STATUS(check_target(bind.target));
    PlannedMount mount;
    mount.source = bind.source;
    mount.target = bind.target;
    mount.attributes.read_only = !bind.writable;
    mount.attributes.no_exec = !bind.executable;
    out.mounts.push_back(std::move(mount));
    return {};
  }
  Status operator()(const TmpfsMount& tmpfs) const {
    TRY_STATUS(check_target(tmpfs.target));
    PlannedMount mount;
    mount.kind = PlannedMount::Kind::tmpfs;
    mount.target = tmpfs.target;
    mount.size = tmpfs.size;
    mount.inodes = tmpfs.inodes;
    mount.attributes.no_symlinks = true;
    mount.attributes.no_exec = !tmpfs.executable;
    const std::size_t index = out.mounts.size();
    if (out.scratch == MountPlan::kNoScratch) out.scratch = index;
    out.mounts.push_back(mount);
    for (const std::string& also : tmpfs.also_at) {
      TRY_STATUS(check_target(also));
      mount.kind = PlannedMount::Kind::alias;
      mount.target = also;
      mount.alias_of = index;
      out.mounts.push_back(mount);
    }
    return {};
  }
  Status operator()(const OverlayMount& overlay) const {
    TRY_STATUS(check_target(overlay.target));
    for (const std::string& directory : overlay.upper_directories) TRY_STATUS(check_target("/" + directory));
    for (const auto& [path, content] : overlay.upper_files) TRY_STATUS(check_target("/" + path));
    PlannedMount mount;
    mount.kind = PlannedMount::Kind::overlay;
    mount.source = overlay.lower;
    mount.target = overlay.target;
    mount.size = overlay.upper_size;
    mount.inodes = overlay.upper_inodes;
    mount.overlay = &overlay;
    out.mounts.push_back(std::move(mount));
    return {};
  }
  Status operator()(const FileMount& file) const {
    TRY_STATUS(check_target(file.target));
    out.files.push_back({file.target, file.content});
    return {};
  }
  Status operator()(const DirectoryMount& directory) const {
    TRY_STATUS(check_target(directory.target));
    out.directories.push_back(directory.target);
    return {};
  }
};

}  // namespace

Result<MountPlan> plan_mounts(const Plan& plan) {
  MountPlan out;
  if (plan.base_tree) add_base_tree(plan, out);
  for (const Mount& mount : plan.mounts) TRY_STATUS(std::visit(Adder{out}, mount));
  if (plan.working_directory != "/") {
    TRY_STATUS(check_target(plan.working_directory));
    out.directories.push_back(plan.working_directory);
  }
  return out;
}

}  // namespace sandbox_run::launch
