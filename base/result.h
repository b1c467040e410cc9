// Result<T>: a value, or the one Error that explains why there is none.
//
// Names follow std::expected (C++23), which GCC 12 and clang 14 do not both have. Errors are for what kept *us* from
// doing what was asked; how a submitted program ended is a value (launch::Facts, runner::Outcome) and never an Error.
#pragma once

#include <cassert>
#include <cerrno>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace sandbox_run {

// Who has to act: the caller (bad input), the operator of the machine (host), or we (a bug).
enum class Fault { input, host, self };

struct Error {
  Fault fault = Fault::self;
  int sys_errno = 0;  // 0 where no system call failed
  std::string what;   // what was attempted, on what, why it failed, what to do next; one line, no final dot needed
};

inline Error input_error(std::string what) { return Error{Fault::input, 0, std::move(what)}; }
inline Error host_error(std::string what) { return Error{Fault::host, 0, std::move(what)}; }
inline Error self_error(std::string what) { return Error{Fault::self, 0, std::move(what)}; }

// An Error of the host with the text of `sys_errno` appended: "attempt: No such file or directory".
inline Error host_error(int sys_errno, const std::string& attempt) {
  return Error{Fault::host, sys_errno, attempt + ": " + std::strerror(sys_errno)};
}
inline Error input_error(int sys_errno, const std::string& attempt) {
  return Error{Fault::input, sys_errno, attempt + ": " + std::strerror(sys_errno)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    assert(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }
  const Error& error() const& {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    assert(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  Error& error() & {
    assert(failed_);
    return error_;
  }
  const Error& error() const& {
    assert(failed_);
    return error_;
  }
  Error&& error() && {
    assert(failed_);
    return std::move(error_);
  }

 private:
  Error error_;
  bool failed_ = false;
};

using Status = Result<void>;

}  // namespace sandbox_run

#define SANDBOX_RUN_CONCAT_(a, b) a##b
#define SANDBOX_RUN_CONCAT(a, b) SANDBOX_RUN_CONCAT_(a, b)

// TRY(Type name, expression): declares `name` from the Result's value, or returns its Error. One TRY a statement.
#define TRY(declaration, ...)                                                                                          \
  auto SANDBOX_RUN_CONCAT(try_result_, __LINE__) = (__VA_ARGS__);                                                      \
  if (!SANDBOX_RUN_CONCAT(try_result_, __LINE__)) return std::move(SANDBOX_RUN_CONCAT(try_result_, __LINE__)).error(); \
  declaration = std::move(SANDBOX_RUN_CONCAT(try_result_, __LINE__)).value()

// TRY_STATUS(expression): the same for a Status, which has no value to name.
#define TRY_STATUS(...)                                                                     \
  do {                                                                                      \
    if (auto try_status = (__VA_ARGS__); !try_status) return std::move(try_status).error(); \
  } while (0)
