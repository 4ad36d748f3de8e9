/* files.c: where do the board's own files lie? In flash behind the firmware; in RAM where an emulator's flash takes no writing. */
#include "fn_files.h"

#include <string.h>

#include "extmod/vfs.h"
#include "fn_board.h"
#include "py/mperrno.h"
#include "py/runtime.h"

typedef enum { NOWHERE, IN_RAM, IN_FLASH, READ_ONLY } kind;

typedef struct {
    kind kind;
    uint32_t start, bytes, block_bytes;
} place;

static place files, rom;

static int erase_at(const place *it, uint32_t at, uint32_t bytes);

/* ---- finding them ---- */

#define LEAST_HEAP_BYTES (56u * 1024u) /* what files in RAM must leave */

#if defined(FN_FILES_ORIGIN)
#if defined(FN_LOG_BYTES)
#define FLASH_FILES ((place){IN_FLASH, 0, FN_LOG_BYTES, 1024})
#define KEPT_BYTES (FN_LOG_PIECES * 2u)
#define usable(memory) fn_log_begin((uint16_t *)(memory))
#else
#define FLASH_FILES ((place){IN_FLASH, FN_FILES_ORIGIN, FN_FILES_BYTES, FN_ERASE_BYTES})
#define KEPT_BYTES 0u
#define usable(memory) ((void)(memory), 1)
#endif

/* Returns where the heap ends before what is kept of it. */
static uint32_t *find_in_flash(uint32_t *heap_end)
{
    uint32_t *const kept = heap_end - KEPT_BYTES / sizeof *heap_end;
    if (fn_image_end() <= FN_FILES_ORIGIN && usable(kept)) {
        files = FLASH_FILES;
        heap_end = kept;
    }
#if defined(FN_ROMFS_ORIGIN)
    if (fn_image_end() <= FN_ROMFS_ORIGIN) {
        rom = (place){IN_FLASH, FN_ROMFS_ORIGIN, FN_ROMFS_BYTES, FN_ERASE_BYTES};
        if (!fn_flash_is_sound(rom.start, rom.bytes)) { /* it was cut short, and nobody may look at it */
            erase_at(&rom, 0, rom.bytes);
        }
    }
#endif
    return heap_end;
}
#endif

uint32_t *fn_files_begin(uint32_t *heap_start, uint32_t *heap_end)
{
#if defined(FN_FILES_ORIGIN)
    if (fn_flash_begin()) {
        return find_in_flash(heap_end);
    }
#endif
#if defined(FN_RAM_FILES_BYTES)
#if defined(FN_RAM_FILES_ORIGIN) /* RAM that nothing else has */
    (void)heap_start;
    files = (place){IN_RAM, FN_RAM_FILES_ORIGIN, FN_RAM_FILES_BYTES, 512};
    rom = (place){IN_RAM, FN_RAM_FILES_ORIGIN + FN_RAM_FILES_BYTES, FN_RAM_ROMFS_BYTES, 512};
#else
    const uint32_t wanted = FN_RAM_FILES_BYTES + FN_RAM_ROMFS_BYTES;
    if ((uint32_t)((uint8_t *)heap_end - (uint8_t *)heap_start) >= LEAST_HEAP_BYTES + wanted) {
        heap_end -= wanted / sizeof *heap_end;
        files = (place){IN_RAM, (uint32_t)heap_end, FN_RAM_FILES_BYTES, 512};
        rom = (place){IN_RAM, files.start + files.bytes, FN_RAM_ROMFS_BYTES, 512};
    }
#endif
#if defined(FN_ROMFS_ORIGIN)
    if (*(const uint32_t *)FN_ROMFS_ORIGIN << 8 == 0x31cdd200u) { /* an image that the emulator was started with */
        rom = (place){READ_ONLY, FN_ROMFS_ORIGIN, FN_ROMFS_BYTES, FN_ROMFS_BYTES};
    }
#endif
#else
    (void)heap_start;
#endif
    return heap_end;
}

/* ---- reaching them: what is in range was checked; 0, or -1 ---- */

static int is_log(const place *it)
{
#if defined(FN_LOG_BYTES)
    return it->kind == IN_FLASH && it == &files;
#else
    (void)it;
    return 0;
#endif
}

static void read_at(const place *it, uint32_t at, uint8_t *to, uint32_t bytes)
{
#if defined(FN_LOG_BYTES)
    if (is_log(it)) {
        fn_log_read(at, to, bytes);
        return;
    }
#endif
    memcpy(to, (const uint8_t *)(it->start + at), bytes);
}

static int write_at(const place *it, uint32_t at, const uint8_t *from, uint32_t bytes)
{
    if (it->kind == IN_RAM) {
        memcpy((uint8_t *)(it->start + at), from, bytes);
        return 0;
    }
#if defined(FN_LOG_BYTES)
    if (is_log(it)) {
        return fn_log_write(at, from, bytes);
    }
#endif
#if defined(FN_FILES_ORIGIN)
    return fn_flash_write(it->start + at, from, bytes);
#else
    return -1;
#endif
}

static int erase_at(const place *it, uint32_t at, uint32_t bytes)
{
    if (it->kind == IN_RAM) {
        memset((uint8_t *)(it->start + at), 0xff, bytes);
        return 0;
    }
#if defined(FN_LOG_BYTES)
    if (is_log(it)) {
        fn_log_forget(at, bytes);
        return 0;
    }
#endif
#if defined(FN_FILES_ORIGIN)
    for (uint32_t done = 0; done < bytes; done += FN_ERASE_BYTES) {
        if (fn_flash_erase(it->start + at + done)) {
            return -1;
        }
    }
    return 0;
#else
    return -1;
#endif
}

/* ---- a block device of them, as MicroPython's file systems want it ---- */

typedef struct {
    mp_obj_base_t base;
} blocks_obj;

/* readblocks(block, buffer, offset=0), writeblocks(block, buffer[, offset]): without an offset whole blocks are written,
 * which are erased first. */
static uint32_t reached(const mp_obj_t *args, size_t n_args, mp_buffer_info_t *buffer, int flags)
{
    const mp_int_t block = mp_obj_get_int(args[1]), offset = n_args > 3 ? mp_obj_get_int(args[3]) : 0;
    mp_get_buffer_raise(args[2], buffer, flags);
    const uint32_t at = (uint32_t)block * files.block_bytes + (uint32_t)offset;
    if (block < 0 || offset < 0 || (uint32_t)block >= files.bytes / files.block_bytes || at > files.bytes
        || buffer->len > files.bytes - at) {
        mp_raise_OSError(MP_EINVAL);
    }
    return at;
}

static mp_obj_t blocks_readblocks(size_t n_args, const mp_obj_t *args)
{
    mp_buffer_info_t buffer;
    const uint32_t at = reached(args, n_args, &buffer, MP_BUFFER_WRITE);
    read_at(&files, at, buffer.buf, buffer.len);
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(blocks_readblocks_obj, 3, 4, blocks_readblocks);

static mp_obj_t blocks_writeblocks(size_t n_args, const mp_obj_t *args)
{
    mp_buffer_info_t buffer;
    const uint32_t at = reached(args, n_args, &buffer, MP_BUFFER_READ);
    if (buffer.len % (n_args > 3 ? FN_WRITE_BYTES : files.block_bytes)) {
        mp_raise_OSError(MP_EINVAL);
    }
    const int failed = (n_args == 3 && erase_at(&files, at, buffer.len)) || write_at(&files, at, buffer.buf, buffer.len);
    return MP_OBJ_NEW_SMALL_INT(failed ? -MP_EIO : 0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(blocks_writeblocks_obj, 3, 4, blocks_writeblocks);

static mp_obj_t blocks_ioctl(mp_obj_t self, mp_obj_t op, mp_obj_t arg)
{
    (void)self;
    switch (mp_obj_get_int(op)) {
    case MP_BLOCKDEV_IOCTL_INIT:
    case MP_BLOCKDEV_IOCTL_DEINIT:
    case MP_BLOCKDEV_IOCTL_SYNC:
        return MP_OBJ_NEW_SMALL_INT(0);
    case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
        return MP_OBJ_NEW_SMALL_INT(files.bytes / files.block_bytes);
    case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
        return MP_OBJ_NEW_SMALL_INT(files.block_bytes);
    case MP_BLOCKDEV_IOCTL_BLOCK_ERASE: {
        const mp_uint_t block = (mp_uint_t)mp_obj_get_int(arg);
        if (block >= files.bytes / files.block_bytes) {
            return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
        }
        return MP_OBJ_NEW_SMALL_INT(erase_at(&files, block * files.block_bytes, files.block_bytes) ? -MP_EIO : 0);
    }
    default:
        return mp_const_none;
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(blocks_ioctl_obj, blocks_ioctl);

static const mp_rom_map_elem_t blocks_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&blocks_readblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&blocks_writeblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&blocks_ioctl_obj)},
};
static MP_DEFINE_CONST_DICT(blocks_locals, blocks_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(blocks_type, MP_QSTR_Blocks, MP_TYPE_FLAG_NONE, locals_dict, &blocks_locals);
static const blocks_obj blocks = {{&blocks_type}};

/* blocks(): the block device of the board's files; None where there is no room for them. */
static mp_obj_t files_blocks(void)
{
    return files.kind == NOWHERE ? mp_const_none : MP_OBJ_FROM_PTR(&blocks);
}
static MP_DEFINE_CONST_FUN_OBJ_0(files_blocks_obj, files_blocks);

static const mp_rom_map_elem_t files_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__files)},
    {MP_ROM_QSTR(MP_QSTR_blocks), MP_ROM_PTR(&files_blocks_obj)},
};
static MP_DEFINE_CONST_DICT(files_globals, files_globals_table);

const mp_obj_module_t files_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&files_globals,
};
MP_REGISTER_MODULE(MP_QSTR__files, files_module);

/* ---- vfs.rom_ioctl(): one segment, which mp_init() mounts at /rom ---- */

#define ROM_PIECE_BYTES 4096u /* mpremote writes that much at once, and fills up the last */

static mp_int_t rom_prepare(mp_int_t bytes)
{
    const uint32_t unit = rom.block_bytes < ROM_PIECE_BYTES ? ROM_PIECE_BYTES : rom.block_bytes;
    if (rom.kind == READ_ONLY) {
        return -MP_EROFS;
    }
    if (bytes < 0 || (uint32_t)bytes > rom.bytes) {
        return -MP_EINVAL;
    }
    return erase_at(&rom, 0, ((uint32_t)bytes + unit - 1u) / unit * unit) ? -MP_EIO : (mp_int_t)FN_WRITE_BYTES;
}

static mp_int_t rom_write(mp_int_t offset, mp_obj_t buffer_in)
{
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_READ);
    if (rom.kind == READ_ONLY) {
        return -MP_EROFS;
    }
    if (offset < 0 || (uint32_t)offset % FN_WRITE_BYTES || buffer.len % FN_WRITE_BYTES || (uint32_t)offset > rom.bytes
        || buffer.len > rom.bytes - offset) {
        return -MP_EINVAL;
    }
    return write_at(&rom, (uint32_t)offset, buffer.buf, buffer.len) ? -MP_EIO : 0;
}

mp_obj_t mp_vfs_rom_ioctl(size_t n_args, const mp_obj_t *args)
{
    const mp_int_t what = mp_obj_get_int(args[0]);
    if (what == MP_VFS_ROM_IOCTL_GET_NUMBER_OF_SEGMENTS) {
        return MP_OBJ_NEW_SMALL_INT(rom.kind == NOWHERE ? 0 : 1);
    }
    if (n_args < 2 || rom.kind == NOWHERE || mp_obj_get_int(args[1]) != 0) {
        return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
    }
    if (what == MP_VFS_ROM_IOCTL_GET_SEGMENT) {
        return mp_obj_new_memoryview('B', rom.bytes, (void *)rom.start);
    }
    if (what == MP_VFS_ROM_IOCTL_WRITE_PREPARE && n_args == 3) {
        return MP_OBJ_NEW_SMALL_INT(rom_prepare(mp_obj_get_int(args[2])));
    }
    if (what == MP_VFS_ROM_IOCTL_WRITE && n_args == 4) {
        return MP_OBJ_NEW_SMALL_INT(rom_write(mp_obj_get_int(args[2]), args[3]));
    }
    return MP_OBJ_NEW_SMALL_INT(what == MP_VFS_ROM_IOCTL_WRITE_COMPLETE ? 0 : -MP_EINVAL);
}
