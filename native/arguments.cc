#include "arguments.h"

#include <utility>

#include "exact_integer.h"

void Arguments::Fail(size_t index, const char* expected) {
  if (failed_) return;
  failed_ = true;
  Napi::TypeError error = Napi::TypeError::New(
      info_.Env(), "Native argument " + std::to_string(index) + " must be " + expected);
  error.Set("code", Napi::String::New(info_.Env(), "ERR_INVALID_ARG_TYPE"));
  error.ThrowAsJavaScriptException();
}

int32_t Arguments::Int32(size_t index) {
  if (failed_) return -1;
  double number = 0;
  // One call: it says itself when the value is no number.
  if (napi_get_value_double(info_.Env(), info_[index], &number) == napi_ok) {
    const auto value = ExactInteger<int32_t>(number);
    if (value) return *value;
  }
  Fail(index, "a 32-bit integer");
  return -1;
}

uint32_t Arguments::Uint32(size_t index) {
  if (failed_) return 0;
  double number = 0;
  // One call: it says itself when the value is no number.
  if (napi_get_value_double(info_.Env(), info_[index], &number) == napi_ok) {
    const auto value = ExactInteger<uint32_t>(number);
    if (value) return *value;
  }
  Fail(index, "an unsigned 32-bit integer");
  return 0;
}

bool Arguments::Boolean(size_t index) {
  if (failed_) return false;
  if (info_[index].IsBoolean()) return info_[index].As<Napi::Boolean>().Value();
  Fail(index, "a boolean");
  return false;
}

Napi::Function Arguments::Function(size_t index) {
  if (failed_) return {};
  if (info_[index].IsFunction()) return info_[index].As<Napi::Function>();
  Fail(index, "a function");
  return {};
}

std::string Arguments::String(size_t index) {
  if (failed_) return {};
  if (info_[index].IsString()) {
    std::string value = info_[index].As<Napi::String>().Utf8Value();
    if (value.find('\0') == std::string::npos) return value;
  }
  Fail(index, "a string without null bytes");
  return {};
}

std::vector<char> Arguments::Bytes(size_t index) {
  if (failed_) return {};
  if (info_[index].IsTypedArray() &&
      info_[index].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    const auto bytes = info_[index].As<Napi::Uint8Array>();
    // A detached array has no data.
    if (bytes.ElementLength() == 0) return {};
    const char* data = reinterpret_cast<const char*>(bytes.Data());
    return {data, data + bytes.ElementLength()};
  }
  Fail(index, "a Uint8Array");
  return {};
}

std::string Arguments::Path(size_t index) {
  if (failed_) return {};
  std::string value;
  if (info_[index].IsString()) {
    value = info_[index].As<Napi::String>().Utf8Value();
  } else if (info_[index].IsTypedArray() &&
             info_[index].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    const auto bytes = info_[index].As<Napi::Uint8Array>();
    // A detached array has no data.
    if (bytes.ElementLength() > 0) {
      value.assign(reinterpret_cast<const char*>(bytes.Data()), bytes.ElementLength());
    }
  } else {
    Fail(index, "a string or a Uint8Array");
    return {};
  }
  if (value.find('\0') == std::string::npos) return value;
  Fail(index, "a path without null bytes");
  return {};
}

int64_t Arguments::Int64(size_t index) {
  if (failed_) return 0;
  if (info_[index].IsNumber()) {
    const auto value = ExactInteger<int64_t>(info_[index].As<Napi::Number>().DoubleValue());
    if (value) return *value;
  }
  Fail(index, "a safe integer");
  return 0;
}

uint32_t* Arguments::Words(size_t index, size_t length) {
  if (failed_) return nullptr;
  napi_typedarray_type type = napi_int8_array;
  size_t elements = 0;
  void* data = nullptr;
  // One call: it says itself when the value is no typed array.
  if (napi_get_typedarray_info(info_.Env(), info_[index], &type, &elements, &data, nullptr,
                               nullptr) == napi_ok &&
      type == napi_uint32_array && elements == length) {
    return static_cast<uint32_t*>(data);
  }
  Fail(index, "a Uint32Array of the right length");
  return nullptr;
}

template <typename Value, typename Read>
std::vector<Value> Arguments::List(size_t index, const char* expected, Read read) {
  std::vector<Value> values;
  if (failed_) return values;
  if (!info_[index].IsArray()) {
    Fail(index, "an array");
    return values;
  }
  const auto array = info_[index].As<Napi::Array>();
  const uint32_t length = array.Length();
  for (uint32_t i = 0; i < length; i++) {
    const Napi::Value element = array.Get(i);
    // A getter may have thrown: its exception is the one to keep.
    if (info_.Env().IsExceptionPending()) {
      failed_ = true;
      return {};
    }
    Value value = {};
    if (!read(element, &value)) {
      Fail(index, expected);
      return {};
    }
    values.push_back(std::move(value));
  }
  return values;
}

std::vector<unsigned long> Arguments::UnsignedList(size_t index) {
  const auto read = [](const Napi::Value& element, unsigned long* value) {
    const auto exact = ExactInteger<unsigned long>(
        element.IsNumber() ? element.As<Napi::Number>().DoubleValue() : -1);
    if (exact) *value = *exact;
    return exact.has_value();
  };
  return List<unsigned long>(index, "an array of non-negative integers", read);
}

std::vector<std::string> Arguments::StringList(size_t index) {
  const auto read = [](const Napi::Value& element, std::string* value) {
    if (!element.IsString()) return false;
    *value = element.As<Napi::String>().Utf8Value();
    return value->find('\0') == std::string::npos;
  };
  return List<std::string>(index, "an array of strings without null bytes", read);
}

std::vector<ByteSpan> Arguments::ByteSpans(size_t index, size_t length) {
  if (failed_) return {};
  if (!info_[index].IsArray() || info_[index].As<Napi::Array>().Length() != length) {
    Fail(index, "an array of the right length");
    return {};
  }
  // First all elements, whose getters may run JavaScript; then their bytes,
  // with nothing in between that could detach a buffer.
  std::vector<Napi::Value> elements;
  for (uint32_t i = 0; i < length; i++) {
    elements.push_back(info_[index].As<Napi::Array>().Get(i));
    if (info_.Env().IsExceptionPending()) {
      failed_ = true;
      return {};
    }
  }
  std::vector<ByteSpan> spans;
  for (const Napi::Value& element : elements) {
    ByteSpan span;
    if (element.IsTypedArray() &&
        element.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
      auto bytes = element.As<Napi::Uint8Array>();
      span = {bytes.Data(), bytes.ByteLength()};
    } else if (!element.IsNull()) {
      Fail(index, "an array of Uint8Arrays and nulls");
      return {};
    }
    spans.push_back(span);
  }
  return spans;
}
