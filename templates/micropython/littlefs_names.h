/* littlefs_names.h: what are littlefs' functions called here? Not as in the mbed core, which has a littlefs of its own. */
#ifndef FN_LITTLEFS_NAMES_H
#define FN_LITTLEFS_NAMES_H

#define lfs2_crc fn_lfs2_crc
#define lfs2_dir_close fn_lfs2_dir_close
#define lfs2_dir_open fn_lfs2_dir_open
#define lfs2_dir_read fn_lfs2_dir_read
#define lfs2_dir_rewind fn_lfs2_dir_rewind
#define lfs2_dir_seek fn_lfs2_dir_seek
#define lfs2_dir_tell fn_lfs2_dir_tell
#define lfs2_file_close fn_lfs2_file_close
#define lfs2_file_opencfg fn_lfs2_file_opencfg
#define lfs2_file_read fn_lfs2_file_read
#define lfs2_file_rewind fn_lfs2_file_rewind
#define lfs2_file_seek fn_lfs2_file_seek
#define lfs2_file_size fn_lfs2_file_size
#define lfs2_file_sync fn_lfs2_file_sync
#define lfs2_file_tell fn_lfs2_file_tell
#define lfs2_file_truncate fn_lfs2_file_truncate
#define lfs2_file_write fn_lfs2_file_write
#define lfs2_format fn_lfs2_format
#define lfs2_fs_gc fn_lfs2_fs_gc
#define lfs2_fs_grow fn_lfs2_fs_grow
#define lfs2_fs_mkconsistent fn_lfs2_fs_mkconsistent
#define lfs2_fs_size fn_lfs2_fs_size
#define lfs2_fs_stat fn_lfs2_fs_stat
#define lfs2_fs_traverse fn_lfs2_fs_traverse
#define lfs2_getattr fn_lfs2_getattr
#define lfs2_mkdir fn_lfs2_mkdir
#define lfs2_mount fn_lfs2_mount
#define lfs2_remove fn_lfs2_remove
#define lfs2_removeattr fn_lfs2_removeattr
#define lfs2_rename fn_lfs2_rename
#define lfs2_setattr fn_lfs2_setattr
#define lfs2_stat fn_lfs2_stat
#define lfs2_unmount fn_lfs2_unmount

#endif
